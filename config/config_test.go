package config_test

import (
	"strings"
	"testing"

	"example.org/trawl/config"
)

func TestDefaults(t *testing.T) {
	c, err := config.Load([]string{"PATH=/bin", "REDIS_URL=", "TRAWL_DATA="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 8080 || c.Data != "./data" || c.RedisURL != "" || c.Shards != 1 {
		t.Errorf("defaults: %+v", c)
	}
	if p, _ := c.DatabasePath(); p != "data/catalog.db" {
		t.Errorf("database path %q", p)
	}
}

func TestValues(t *testing.T) {
	c, err := config.Load([]string{
		"TRAWL_ALLOW_NETS=127.0.0.0/8, 10.1.2.3", "TRAWL_DNS=127.0.0.1:5300,::1", "TRAWL_LOGIN=ann:s3cret:x", "TRAWL_LOG=debug,json",
		"DATABASE_URL=sqlite:///tmp/x.db", "STORE_URL=file:///tmp/warc",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Prefixes()[1].String(); got != "10.1.2.3/32" {
		t.Errorf("second network %s", got)
	}
	if got := c.Resolvers()[1].String(); got != "[::1]:53" {
		t.Errorf("second resolver %s", got)
	}
	if c.Login.User != "ann" || c.Login.Password != "s3cret:x" {
		t.Errorf("login %+v", c.Login)
	}
	if c.Log.JSON == nil || !*c.Log.JSON || c.Log.Level.String() != "DEBUG" {
		t.Errorf("log %+v", c.Log)
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"TRAWL_CONTCAT=x", "TRAWL_CONTCAT is not a setting: did you mean TRAWL_CONTACT?"},
		{"PORT=eighty", "PORT"},
		{"PORT=70000", "PORT 70000"},
		{"TRAWL_ALLOW_NETS=127.0.0.0/99", "TRAWL_ALLOW_NETS"},
		{"TRAWL_DNS=resolver", "TRAWL_DNS"},
		{"TRAWL_LOGIN=ann", "TRAWL_LOGIN: want user:password"},
		{"TRAWL_LOG=loud", "TRAWL_LOG"},
		{"TRAWL_CANARY=example.org", "TRAWL_CANARY: want the URL of a page"},
		{"TRAWL_PPROF=localhost:1", `TRAWL_PPROF "localhost:1": want a port`},
		{"DATABASE_URL=mysql://h/db", "DATABASE_URL"},
		{"STORE_URL=ftp://h/dir", "STORE_URL"},
		{"TRAWL_SHARDS=4", "TRAWL_SHARDS"},
		{"REDIS_URL=localhost", "REDIS_URL: want redis://"},
	} {
		_, err := config.Load([]string{tt.env})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.env, err, tt.want)
		}
	}
}

func TestPasswordIsNotTold(t *testing.T) {
	_, err := config.Load([]string{"DATABASE_URL=mysql://u:hunter2@h/db"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
