// The customers API of Clientele with net/http and pgx, for comparison in bench/run.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// Where the database is comes from the PG* variables. Every statement is prepared once a connection (pgx's default).
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		log.Fatal(err)
	}
	connections, err := strconv.Atoi(os.Getenv("PEER_CONNECTIONS"))
	if err != nil {
		log.Fatal("PEER_CONNECTIONS: ", err)
	}
	config.MaxConns = int32(connections)
	config.MinConns = config.MaxConns
	config.MaxConnIdleTime = 24 * time.Hour
	config.MaxConnLifetime = 24 * time.Hour
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	listener, err := net.Listen("unix", os.Getenv("PEER_SOCKET"))
	if err != nil {
		log.Fatal(err)
	}
	api := &api{store: &store{pool}, keys: newKeyCache()}
	server := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
