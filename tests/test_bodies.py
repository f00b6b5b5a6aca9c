"""Waitress around a small app, in this process: what bodies may be sent, what of them is held, and that nothing is written."""

import http.client
import io
import json
import socket
import threading
import time
import urllib.request

import pytest
from flask import Flask, request

from app import create_app
from uploads import PNG
from web import serving, settings


@pytest.fixture
def echo():
    """A server that answers with the size of what it was sent; gives its port."""
    app = Flask(__name__)
    app.config.from_mapping(settings.defaults() | {"MAX_CONTENT_LENGTH": 3_000_000})

    @app.post("/")
    def size():
        return f"{len(request.get_data())} bytes"

    @app.get("/large")
    def large():
        return bytes(5_000_000)

    listener = serving.listen("127.0.0.1", 0)
    thread = threading.Thread(target=serving.serve, args=(app, listener), daemon=True)
    thread.start()
    return listener.getsockname()[1]


def post(port: int, body, **headers) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/", body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 1, 2_999_999, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_up_to_the_limit_arrives_whole(echo, size, chunked):
    body = io.BytesIO(bytes(size)) if chunked else bytes(size)
    assert post(echo, body) == (200, f"{size} bytes")


@pytest.mark.parametrize("chunked", [False, True])
def test_client_that_sends_too_much_hears_why(echo, chunked):
    body = io.BytesIO(bytes(20_000_000)) if chunked else bytes(20_000_000)
    assert post(echo, body)[0] == 413


def test_server_gives_memory_back_after_some_answers_not_after_each(echo, monkeypatch):
    given_back = threading.Semaphore(0)
    monkeypatch.setattr(serving, "TIDIED_EVERY", 4)
    monkeypatch.setattr(serving, "give_back", given_back.release)
    for _ in range(10):
        assert post(echo, b"12") == (200, "2 bytes")
    assert [given_back.acquire(timeout=30) for _ in range(2)] == [True, True]  # after the fourth and the eighth
    assert not given_back.acquire(blocking=False)


def test_server_makes_no_temporary_file(echo, monkeypatch):
    made = []
    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.__init__", lambda *args: made.append(args))
    assert post(echo, bytes(2_000_000)) == (200, "2000000 bytes")
    with urllib.request.urlopen(f"http://127.0.0.1:{echo}/large", timeout=30) as response:
        assert len(response.read()) == 5_000_000
    assert made == []


@pytest.fixture
def held(fake, monkeypatch):
    """EarlyMed's own app, which holds 4 MB of all bodies; gives its port and its room."""
    room = serving.Room(4_000_000)
    monkeypatch.setattr(serving.Room, "of", lambda config: room)
    config = settings.defaults() | {"MAX_CONTENT_LENGTH": 3_000_000, "MAX_HELD_BYTES": 4_000_000, "RETRY_AFTER": 7}
    listener = serving.listen("127.0.0.1", 0)
    app = create_app(config, classifier=fake)
    threading.Thread(target=serving.serve, args=(app, listener), daemon=True).start()
    return listener.getsockname()[1], room


def begin(port: int, size: int) -> socket.socket:
    """A client that sends one byte less than it says, and waits."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"POST /api/v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (size + 1) + bytes(size))
    return client


def ask(port: int, path: str, size: int, **headers) -> tuple[int, str | None, str]:
    """Send an image and `size` bytes beside it."""
    body = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n' % part
        for part in ((b"a.png", PNG), (b"b", bytes(size)))
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "POST", path, body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"} | headers
        )
        response = connection.getresponse()
        return response.status, response.headers["Retry-After"], response.read().decode()
    finally:
        connection.close()


def until_left(room: serving.Room, count: int) -> None:
    """Wait until the server has noticed what clients did."""
    end = time.monotonic() + 30
    while room.left() != count:
        assert time.monotonic() < end, room.left()
        time.sleep(0.01)


def test_all_bodies_together_hold_no_more_than_a_limit(held):
    held, room = held
    with begin(held, 1_900_000), begin(held, 1_900_000):
        until_left(room, 200_000)
        message = "More is being sent at once than is held in memory. Please try again in 7 seconds."
        status, retry_after, text = ask(held, "/api/v1/predict", 1_000_000)
        assert (status, retry_after) == (503, "7")
        assert json.loads(text) == {"error": {"code": "busy", "message": message}}
        for accept in ("text/html", "application/x-ndjson"):
            status, retry_after, text = ask(held, "/", 1_000_000, Accept=accept)
            assert (status, retry_after, message in text) == (503, "7", True)
        assert ask(held, "/api/v1/predict", 3_000_000)[0] == 413  # there would never be room for it
        assert ask(held, "/api/v1/predict", 1_000)[0] == 200
    until_left(room, 4_000_000)  # clients that went away hold nothing
    assert ask(held, "/api/v1/predict", 1_000_000)[0] == 200


def test_answered_requests_give_their_room_back(held):
    held, room = held
    assert [ask(held, "/api/v1/predict", 2_500_000)[0] for _ in range(4)] == [200] * 4
    until_left(room, 4_000_000)


def test_bodies_share_their_room():
    room = serving.Room(15)
    first, second, third = (serving.Body(10, room) for _ in range(3))
    for body in (first, second):
        body.append(b"01234567")
    assert [(body.held, type(body.getfile())) for body in (first, second)] == [(8, io.BytesIO), (0, serving.NotHeld)]
    second.append(b"8")  # is too late, though there is room for it
    assert (len(second), second.getfile().read()) == (9, b"")
    third.append(b"0123456")
    assert (third.getfile().read(), room.left()) == (b"0123456", 0)
    first.close()
    assert room.left() == 8
    del third
    assert room.left() == 15


def test_there_is_room_for_one_whole_body():
    assert serving.Room.of({"MAX_CONTENT_LENGTH": 20, "MAX_HELD_BYTES": 10}).limit == 20
    assert serving.Room.of({"MAX_CONTENT_LENGTH": 20, "MAX_HELD_BYTES": 30}).limit == 30


def test_body_forgets_what_is_past_its_limit():
    body = serving.Body(10, serving.Room(100))
    body.append(b"0123456789")
    assert (len(body), body.getfile().read()) == (10, b"0123456789")
    body.append(b"0")
    assert (len(body), body.held, type(body.getfile()), body.getfile().read()) == (11, 0, io.BytesIO, b"")


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_address(host, url):
    try:
        listener = serving.listen(host, 0)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with listener:
        assert serving.address(listener) == f"{url}{listener.getsockname()[1]}"
