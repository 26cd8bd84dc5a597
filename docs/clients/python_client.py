#!/usr/bin/env python3
"""A client for Python 3 with websocket-client (Debian: apt-get install python3-websocket).

Copy it: it reconnects, goes on from the last event that it has dealt with, and renews its token. To try it:

    WAZO_TOKEN=... python3 python_client.py ws://127.0.0.1:9502/ call_created call_ended
"""
import json
import os
import random
import struct
import sys
import threading
import time
from urllib.parse import urlencode

import websocket

RETRY_FIRST, RETRY_MAX, LASTED = 1, 30, 60  # seconds
PING_EVERY = 20  # seconds
# Codes after which the answer would not change: a fault of this program, or a limit.
GIVE_UP = {1002, 1007, 1008, 1009, 4001, 4004}
# The token is of no use any more.
NEW_TOKEN = {4002, 4003}
LOST = 1006


class WazoEvents:
    """Events of a Wazo, in order, each once.

    get_token(refused) gives the token; refused: the last one is of no use any more, so that another one is
    asked for (the same again: there is no other). on_event(body) deals with an event. on_load_state(why)
    loads what you know over REST: at the first start, and when events were missed.
    """

    def __init__(self, url, names, get_token, on_event, on_load_state):
        self.url, self.names, self.get_token = url, names, get_token
        self.on_event, self.on_load_state = on_event, on_load_state
        self.position = ''
        self._socket = None
        self._token = None

    def run(self):
        """Stays connected; returns (code, reason) when it makes no sense to come back."""
        tries = 0
        while True:
            begin = time.monotonic()
            code, reason = self._session()
            if code in GIVE_UP or (code in NEW_TOKEN and self._next_token(True) == self._token):
                return code, reason
            if time.monotonic() - begin > LASTED:
                tries = 0
            time.sleep(random.uniform(0, min(RETRY_FIRST * 2**tries, RETRY_MAX)))
            tries += 1

    def renew(self, token):
        """Replaces the token of the session that runs; may be called by another thread."""
        self._send('token', {'token': token})

    def _next_token(self, refused):
        try:
            return self.get_token(refused)
        except OSError:  # wazo-auth does not answer: tried again
            return None

    def _session(self):
        token = self._next_token(False)
        if token is None:
            return LOST, 'no token yet'
        self._token = token
        query = urlencode({'version': 2, 'resume': self.position})
        header = [f'X-Auth-Token: {token}']
        try:
            self._socket = websocket.create_connection(
                f'{self.url}?{query}', timeout=PING_EVERY, header=header, enable_multithread=True
            )
        except (websocket.WebSocketException, OSError) as error:  # refused, or nobody is there
            return LOST, str(error)
        try:
            return self._receive()
        # websocket-client 1.2 takes 1012 and 1013 for invalid close frames, and raises instead of giving them.
        except (websocket.WebSocketException, OSError) as error:
            return LOST, str(error)
        finally:
            connection, self._socket = self._socket, None
            connection.shutdown()

    def _receive(self):
        heard = True
        while True:
            try:
                opcode, payload = self._socket.recv_data()  # recv() would hide the code of the close frame
            except websocket.WebSocketTimeoutException:
                if not heard:
                    return LOST, 'no answer'
                heard = False
                # The answer to another `start` has a position: without it that of a quiet session gets too old.
                if self.position:
                    self._send('start')
                else:
                    self._send('ping', {'payload': None})
                continue
            heard = True
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = struct.unpack('!H', payload[:2])[0] if len(payload) >= 2 else 1005
                return code, payload[2:].decode('utf-8', 'replace')
            if opcode == websocket.ABNF.OPCODE_TEXT:
                self._handle(json.loads(payload))

    def _handle(self, message):
        op, data = message['op'], message['data']
        if op == 'init':
            for name in self.names:
                self._send('subscribe', {'event_name': name})
            self._send('start')
        elif op == 'start':
            start = data or {'resumed': False, 'id': '', 'why': 'no positions'}
            self.position = start['id']
            if not start['resumed']:
                self.on_load_state(start['why'])
        elif op == 'event':
            self.on_event(data)
            self.position = message.get('id', '')  # when the event has been dealt with, not before

    def _send(self, op, data=None):
        connection = self._socket
        if connection is not None:
            connection.send(json.dumps({'op': op, 'data': data}))


def main(url='ws://127.0.0.1:9502/', *names):
    """Prints events, a line each; a line of standard input is a new token."""
    client = WazoEvents(
        url,
        names or ['*'],
        get_token=lambda refused: os.environ['WAZO_TOKEN'],
        on_event=lambda body: print(json.dumps(body), flush=True),
        on_load_state=lambda why: print(f'load the state ({why})', file=sys.stderr, flush=True),
    )

    def renewals():
        for line in sys.stdin:
            client.renew(line.strip())

    threading.Thread(target=renewals, daemon=True).start()
    code, reason = client.run()
    sys.exit(f'{code} {reason}')


if __name__ == '__main__':
    main(*sys.argv[1:])
