package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
)

// peers are the other crawlers. peers/README.md says what each is told, and why.
func peers() []entrant {
	return []entrant{
		peer("wget2", "files", func(c *course) []string {
			return []string{"wget2", "-q", "-r", "-l", "inf", "--max-threads=8", "-P", c.out()}
		}),
		peer("wget", "files", func(c *course) []string { return []string{"wget", "-q", "-r", "-l", "inf", "-P", c.out()} }),
		peer("httrack", "files", func(c *course) []string {
			return []string{"httrack", "-q", "-c8", "-%c0", "-A0", "--disable-security-limits", "-I0", "-P", c.proxy(), "-O", c.out()}
		}),
		peer("colly", "nothing", func(c *course) []string { return []string{absolute(c.bin, "colly")} }),
		peer("colly, fragments cut", "nothing", func(c *course) []string { return []string{absolute(c.bin, "colly"), "--cut"} }),
		peer("scrapy", "a line of JSON a page", func(c *course) []string { return []string{program("scrapy/spider.py")} }),
		peer("crawlee", "a file of JSON a page", func(c *course) []string { return []string{"node", program("crawlee/crawl.mjs")} }),
		peerOnRedis("the talk's crawler", "files, database", func(c *course) []string { return []string{program("talk/talk.py")} }),
		peerOnRedis("the talk's, at its best", "files, database", func(c *course) []string { return []string{program("talk/talk.py"), "--best"} }),
	}
}

// peer is a crawler that is told what argv says, and then the URLs to begin at. The programs of this folder are told last where to keep
// things. The names of the web's hosts mean nothing to peers: the web is their proxy.
func peer(name, keeps string, argv func(*course) []string) entrant {
	return entrant{name: name, keeps: keeps, run: func(ctx context.Context, c *course) error { return c.peer(ctx, "", argv(c)) }}
}

// peerOnRedis is one that has a Redis.
func peerOnRedis(name, keeps string, argv func(*course) []string) entrant {
	return entrant{name: name, keeps: keeps, run: func(ctx context.Context, c *course) error {
		return c.withRedis(ctx, func(url string, _ *redis.Client) error { return c.peer(ctx, url, argv(c)) })
	}}
}

func (c *course) peer(ctx context.Context, redis string, args []string) error {
	if _, err := exec.LookPath(args[0]); err != nil {
		return fmt.Errorf("%w: bench/peers/need installs it", err)
	}
	args = append(args, c.web.roots...)
	if filepath.IsAbs(args[0]) || args[0] == "node" {
		args = append(args, c.out())
	}
	err := c.finish(ctx, "peer", []string{"http_proxy=http://" + c.proxy(), "LAB_ADDR=" + c.proxy(), "REDIS_URL=" + redis}, args...)
	if exit := (*exec.ExitError)(nil); strings.HasPrefix(args[0], "wget") && errors.As(err, &exit) && exit.ExitCode() == wgetMissed {
		return nil
	}
	return err
}

// wgetMissed is wget's way to say that there was an answer such as 404.
const wgetMissed = 8

// proxy is where the web answers for all of its hosts.
func (c *course) proxy() string { return fmt.Sprintf("127.0.1.1:%d", c.web.port) }

// out is the directory for what a peer keeps.
func (c *course) out() string { return filepath.Join(c.dir, "out") }

func program(path string) string { return absolute("bench/peers", path) }

func absolute(dir, name string) string {
	path, _ := filepath.Abs(filepath.Join(dir, name)) // fails only where there is no directory to be in
	return path
}
