"""What comes from outside, for tests: tar archives, and a server on this machine that breaks as servers do."""

import contextlib
import gzip
import io
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def member(name, content=b"", kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), kind
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_bytes(*members, format=tarfile.GNU_FORMAT, zipped=True):
    """A tar archive of members, each a TarInfo and its content; the same bytes on every call."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0) if zipped else packed.getvalue()


@contextlib.contextmanager
def serving(files: dict, resumes=True, cut=(), statuses=(), **faults):
    """Base address and the ranges that were asked for, of a server of `files`, a dict from path to content.

    Args:
        resumes: answer a range. cut: after how many bytes each answer ends, one after the other; then none does.
        statuses: of the first answers. faults: ``silent`` seconds before the first byte; ``length`` that is claimed;
            ``chunked``: no length; ``elsewhere``: the part that a range is answered with begins there.
    """
    asked, cuts, codes, stop = [], list(cut), list(statuses), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if faults.get("chunked") else "HTTP/1.0"

        def log_message(self, *arguments):
            pass

        def do_GET(self):
            span = self.headers.get("Range")
            asked.append(span)
            content = files[self.path]
            start = int(span[6:-1]) if span and resumes else 0
            code = codes.pop(0) if codes else 416 if start and start >= len(content) else 206 if start else 200
            self.send_response(code)
            start = faults.get("elsewhere", start)
            content = content[start:]
            if code == 206:
                self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{start + len(content)}")
            if faults.get("chunked"):
                self.send_header("Transfer-Encoding", "chunked")
                content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
            else:
                self.send_header("Content-Length", str(faults.get("length", len(content))))
            self.end_headers()
            stop.wait(faults.get("silent", 0))
            with contextlib.suppress(OSError):  # a client that has gone
                self.wfile.write(content[: cuts.pop(0) if cuts else None])
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> str:
    """The address of a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
