// Runs a program through sockexec: go run client.go SOCKET PROGRAM [ARGUMENT...]
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// Failure means that there is no exit code: a fault (100, 111, 126, 127), or a signal (128 and its number).
type Failure struct {
	Code   int
	Reason string
}

func (f Failure) Error() string { return f.Reason }

// Netstrings makes one of each piece that is written to it.
type Netstrings struct{ net.Conn }

func (n Netstrings) Write(data []byte) (int, error) {
	_, err := fmt.Fprintf(n.Conn, "%d:%s,", len(data), data)
	return len(data), err
}

func send(connection Netstrings, argv []string, stdin io.Reader) {
	for _, word := range append([]string{strconv.Itoa(len(argv))}, argv...) {
		connection.Write([]byte(word))
	}
	_, err := io.Copy(struct{ io.Writer }{connection}, struct{ io.Reader }{stdin})
	if ended := (*net.OpError)(nil); errors.As(err, &ended) {
		return // The program has ended without reading all of it.
	} else if err != nil {
		connection.Close() // Input that breaks off is not input that ends.
	}
	connection.Write(nil)
}

func receive(reply *bufio.Reader) (string, error) {
	length := 0
	if _, err := fmt.Fscanf(reply, "%9d:", &length); err == nil && length >= 0 {
		data := make([]byte, length+1)
		if _, err := io.ReadFull(reply, data); err == nil && data[length] == ',' {
			return string(data[:length]), nil
		}
	}
	return "", Failure{111, "the reply is cut off or malformed"}
}

// Run streams the output and returns the exit code. A goroutine sends: neither direction waits for the other.
func Run(path string, argv []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	connection, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	go send(Netstrings{connection}, argv, stdin)
	reply, reason := bufio.NewReader(connection), ""
	for err == nil {
		kind, _ := receive(reply) // Without it there is no data either.
		var data string
		if data, err = receive(reply); err != nil {
			break
		}
		code, _ := strconv.Atoi(data)
		switch kind {
		case "stdout":
			_, err = io.WriteString(stdout, data)
		case "stderr":
			reason = data
			_, err = io.WriteString(stderr, data)
		case "termsig":
			return 0, Failure{128 + code, "ended by signal " + data}
		case "exitcode":
			fault := code == 100 || code == 111 || code == 126 || code == 127
			if fault && strings.HasPrefix(reason, "sockexec: ") {
				return 0, Failure{code, "fault " + data + ": " + strings.TrimSpace(reason)}
			}
			return code, nil
		}
	}
	return 0, err
}

func main() {
	code, err := Run(os.Args[1], os.Args[2:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "client.go:", err)
		code = 111
		if failure := (Failure{}); errors.As(err, &failure) {
			code = failure.Code
		}
	}
	os.Exit(code)
}
