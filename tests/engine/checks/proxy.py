"""A small proxy before the engine: `filtering` lets a few paths through, `empty` lists nothing."""

import socket
import socketserver
import sys

ALLOWED = ("/_ping", "/version", "/containers/json")


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = [self.rfile.readline()]
        while request[-1] not in (b"\r\n", b""):
            request.append(self.rfile.readline())
        path = request[0].split(b" ")[1].split(b"?")[0].decode()
        if path not in ALLOWED:
            self.answer("403 Forbidden", b"denied")
        elif sys.argv[1] == "empty":
            self.answer("200 OK", b"[]")
        else:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect("/engine")
                request.insert(1, b"Connection: close\r\n")
                engine.sendall(b"".join(request))
                while chunk := engine.recv(65536):
                    self.wfile.write(chunk)

    def answer(self, status, body):
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("", 2375), Handler).serve_forever()
