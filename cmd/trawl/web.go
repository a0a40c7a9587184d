package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/dashboard"
	"example.org/trawl/metrics"
	"example.org/trawl/queue"
	"example.org/trawl/signals"
	"example.org/trawl/submit"
	"example.org/trawl/why"
)

func webCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "web",
		Short: "Serve the dashboard, the API, search and asynqmon",
		Long:  "Serve the dashboard on PORT: to this machine alone, or to everybody who has the user and password of TRAWL_LOGIN.",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRedis(cmd.Context(), func(ctx context.Context, rdb redis.UniversalClient) error {
				ln, err := a.listen(ctx)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "dashboard on http://%s/\n", ln.Addr())
				return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
					defer a.observe(ctx, "web", "", rdb, c)()
					return a.serveWeb(ctx, rdb, ln)
				})
			})
		},
	}
}

func (a *app) login() dashboard.Login { return dashboard.Login(a.cfg.Login) }

func (a *app) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", dashboard.Address(a.login(), a.cfg.Port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: stop what listens there, or choose another with PORT", a.cfg.Port)
	}
	return ln, err
}

// serveWeb answers on ln until ctx is done.
func (a *app) serveWeb(ctx context.Context, rdb redis.UniversalClient, ln net.Listener) error {
	c, err := a.openCatalog(ctx)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer c.Close()
	conn, err := monitorConn(a.cfg.RedisURL)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	d, err := dashboard.New(dashboard.Options{
		Catalog: c, Redis: rdb, RedisConn: conn, Login: a.login(), Log: a.log, Where: queue.NewWork(rdb).Whereabouts, Agent: agent,
		Metrics: metrics.New(signals.NewHistory(rdb, why.Length)).Handler(),
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer d.Close()
	srv := &http.Server{
		Handler: d, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	srv.RegisterOnShutdown(d.EndStreams)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(end); err != nil {
			return srv.Close()
		}
		return nil
	})
	return g.Wait()
}

// monitorConn is the Redis at url as asynqmon wants it.
func monitorConn(url string) (asynq.RedisConnOpt, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return asynq.RedisClientOpt{Network: o.Network, Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig}, nil
}
