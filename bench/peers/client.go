// The client as the course's original has it: a connection per message, a bufio reader, a log line. The
// original reads its settings with viper and logs with a package of its own; both are left out, so that
// building this needs Go alone. They only add to what the original costs.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	log.SetOutput(os.Stdout)
	id, address := os.Getenv("CLI_ID"), os.Getenv("CLI_SERVER_ADDRESS")
	amount, err := strconv.Atoi(os.Getenv("CLI_LOOP_AMOUNT"))
	if err != nil {
		log.Fatal(err)
	}
	period, err := time.ParseDuration(os.Getenv("CLI_LOOP_PERIOD"))
	if err != nil {
		log.Fatal(err)
	}
	for number := 1; number <= amount; number++ {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			log.Fatalf("CRITICAL action: connect | result: fail | client_id: %v | error: %v", id, err)
		}
		fmt.Fprintf(conn, "[CLIENT %v] Message N°%v\n", id, number)
		message, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if err != nil {
			log.Fatalf("ERROR    action: receive_message | result: fail | client_id: %v | error: %v", id, err)
		}
		log.Printf("INFO     action: receive_message | result: success | client_id: %v | msg: %v", id, message)
		time.Sleep(period)
	}
	log.Printf("INFO     action: loop_finished | result: success | client_id: %v", id)
}
