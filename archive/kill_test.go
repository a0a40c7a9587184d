package archive_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.org/trawl/archive"
	"example.org/trawl/internal/archivetest"
)

const childEnv = "TRAWL_ARCHIVE_TEST_CHILD"

// child is the test binary as a process that is to be killed: it appends to the store it is told until it dies, and prints each ref
// after its Append returned.
func child() bool {
	dir := os.Getenv(childEnv)
	if dir == "" {
		return false
	}
	s, err := archive.Open(dir, archive.Options{})
	if err != nil {
		panic(err)
	}
	body := archivetest.Bytes(20 << 10)
	for i := 0; ; i++ {
		sp := s.NewSpool()
		_, _ = fmt.Fprintf(sp, "body %d ", i)
		_, _ = sp.Write(body)
		if i%10 == 9 {
			_, _ = sp.Write(make([]byte, 300<<10)) // through a file
		}
		ref, _, err := s.Append(context.Background(), archive.Exchange{
			URL: "http://example.org/", RequestHead: []byte("GET / HTTP/1.1\r\n\r\n"), ResponseHead: []byte("HTTP/1.1 200 OK\r\n\r\n"), Body: sp,
		})
		if err != nil {
			panic(err)
		}
		_ = sp.Close()
		line, _ := json.Marshal(ref)
		fmt.Println(string(line))
	}
}

// A process killed in the middle of its work loses nothing that Append returned.
func TestKill(t *testing.T) {
	for round, after := range []int{1, 7, 40} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var refs []archive.Ref
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var ref archive.Ref
			if json.Unmarshal(lines.Bytes(), &ref) == nil {
				refs = append(refs, ref)
			}
			if len(refs) == after {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait() // it was killed
		s := open(t, dir, archive.Options{})
		for i, ref := range refs {
			rec, err := s.Read(ref)
			if err != nil {
				t.Fatalf("round %d, record %d of %d: %v", round, i, len(refs), err)
			}
			body, err := io.ReadAll(rec.Body)
			_ = rec.Body.Close()
			if err != nil || !strings.HasPrefix(string(body), fmt.Sprintf("body %d ", i)) {
				t.Errorf("round %d, record %d of %d: %.20q, %v", round, i, len(refs), body, err)
			}
		}
		wantWhole(t, dir, 1)
		t.Logf("round %d: %d records appended, all there", round, len(refs))
	}
}
