package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Login is who may use the dashboard; the zero Login is anybody who can reach it.
type Login struct{ User, Password string } // the password as it is, or its bcrypt hash

func (l Login) none() bool { return l.User == "" }

// Address is where to listen: loopback alone unless there is a login.
func Address(l Login, port int) string {
	host := "127.0.0.1"
	if !l.none() {
		host = ""
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// matches compares in constant time.
func (l Login) matches(user, password string) bool {
	sameUser := equal(user, l.User)
	if strings.HasPrefix(l.Password, "$2") {
		return bcrypt.CompareHashAndPassword([]byte(l.Password), []byte(password)) == nil && sameUser
	}
	return equal(password, l.Password) && sameUser
}

// equal compares digests, so that not even the length can be told from the time it takes.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// guard asks for the login. Without one only this machine is answered, and only by its own names: a page elsewhere that has its
// name point to loopback (DNS rebinding) is not.
func guard(l Login, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.none() {
			if !localName(r.Host) {
				http.Error(w, "Without TRAWL_LOGIN the dashboard is for this machine alone.", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		if user, password, ok := r.BasicAuth(); !ok || !l.matches(user, password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="Trawl", charset="UTF-8"`)
			http.Error(w, "Log in with the user and password of TRAWL_LOGIN.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func localName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// headers keeps everything from elsewhere out: no script but our own file, no frame, no outside request.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// monitor loosens the policy as far as asynqmon's own page needs, which writes styles and a script of its own into itself. Its
// fonts, which it asks another host for, stay out.
func monitor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'")
		next.ServeHTTP(w, r)
	})
}
