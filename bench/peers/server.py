"""The echo server as the course's original has it: one connection after the other, recv, log, send, close.

Its short reads and short writes are the original's too: the assignment leaves them to be mended.
"""

import logging
import os
import socket


class Server:
    def __init__(self, address, port, listen_backlog):
        self._server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._server_socket.bind((address, port))
        self._server_socket.listen(listen_backlog)

    def run(self):
        while True:
            client_sock = self.__accept_new_connection()
            self.__handle_client_connection(client_sock)

    def __handle_client_connection(self, client_sock):
        try:
            msg = client_sock.recv(1024).rstrip().decode("utf-8")
            addr = client_sock.getpeername()
            logging.info(f"action: receive_message | result: success | ip: {addr[0]} | msg: {msg}")
            client_sock.send("{}\n".format(msg).encode("utf-8"))
        except OSError as e:
            logging.error(f"action: receive_message | result: fail | error: {e}")
        finally:
            client_sock.close()

    def __accept_new_connection(self):
        logging.info("action: accept_connections | result: in_progress")
        c, addr = self._server_socket.accept()
        logging.info(f"action: accept_connections | result: success | ip: {addr[0]}")
        return c


def main():
    logging.basicConfig(
        format="%(asctime)s %(levelname)-8s %(message)s",
        level=os.environ["LOGGING_LEVEL"],
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    Server(
        os.environ["SERVER_BIND"],
        int(os.environ["SERVER_PORT"]),
        int(os.environ["SERVER_LISTEN_BACKLOG"]),
    ).run()


if __name__ == "__main__":
    main()
