// The echo server as a Go user would write it: a goroutine per connection, bufio, the standard log.
package main

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	timeout = 60 * time.Second
	limit   = 64 * 1024
)

func main() {
	log.SetOutput(os.Stdout)
	// The backlog is the kernel's maximum: package net has no setting for it.
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("SERVER_BIND"), os.Getenv("SERVER_PORT")))
	if err != nil {
		log.Fatalf("CRITICAL action: listen | result: fail | error: %v", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		listener.Close()
	}()
	for {
		log.Print("INFO     action: accept_connections | result: in_progress")
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("ERROR    action: accept_connections | result: fail | error: %v", err)
			continue
		}
		go serve(conn)
	}
}

// serve echoes one message, up to its newline.
func serve(conn net.Conn) {
	defer conn.Close()
	ip := conn.RemoteAddr().(*net.TCPAddr).IP
	log.Printf("INFO     action: accept_connections | result: success | ip: %v", ip)
	conn.SetDeadline(time.Now().Add(timeout))
	message, err := bufio.NewReader(io.LimitReader(conn, limit)).ReadString('\n')
	if err != nil && (err != io.EOF || message == "") {
		log.Printf("ERROR    action: receive_message | result: fail | ip: %v | error: %v", ip, err)
		return
	}
	log.Printf("INFO     action: receive_message | result: success | ip: %v | msg: %s", ip, strings.TrimRight(message, "\r\n"))
	if _, err := io.WriteString(conn, message); err != nil {
		log.Printf("ERROR    action: receive_message | result: fail | ip: %v | error: %v", ip, err)
	}
}
