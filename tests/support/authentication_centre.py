# SPDX-License-Identifier: BSD-3-Clause
"""The authentication centre of an operator: Milenage (3GPP TS 35.206) with OpenSSL's AES, and what hostapd asks it."""

import contextlib
import functools
import operator
import os
import socket
import subprocess
import threading

RESYNCHRONISATION_AMF = bytes(2)


def xor(*values):
    return bytes(functools.reduce(operator.xor, column) for column in zip(*values))


def rotated(block, count):
    return block[count:] + block[:count]


@functools.cache
def encrypt(key, blocks):
    """Whole blocks, by a process that is not started again for the same ones."""
    return subprocess.run(["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", key.hex()], input=blocks, capture_output=True,
                          check=True).stdout


class Centre:
    """Knows one subscriber: what a card with K, OPc and a sequence number can be asked, and answers. Before it answers
    hostapd, something happens, if that is given."""

    def __init__(self, key, opc, sqn=32, happens=lambda: None):
        self.key, self.opc, self.sqn = bytes.fromhex(key), bytes.fromhex(opc), sqn
        self.happens = happens
        self.asked = []

    def encrypt(self, blocks):
        return encrypt(self.key, blocks)

    def codes(self, rand, sqn, amf):
        """MAC-A and MAC-S."""
        temp = self.encrypt(xor(rand, self.opc))
        block = xor(self.encrypt(xor(temp, rotated(xor((sqn + amf) * 2, self.opc), 8))), self.opc)
        return block[:8], block[8:]

    def results(self, rand):
        """RES, CK, IK, AK, and the AK of a resynchronisation."""
        temp = xor(self.encrypt(xor(rand, self.opc)), self.opc)
        blocks = [xor(rotated(temp, turn), bytes(15) + bytes([last])) for turn, last in ((0, 1), (4, 2), (8, 4), (12, 8))]
        out = xor(self.encrypt(b"".join(blocks)), self.opc * 4)
        return out[8:16], out[16:32], out[32:48], out[:6], out[48:54]

    def autn(self, rand, sqn=None, amf=b"\x80\0"):
        """AUTN for this sequence number, or for the next one of the centre."""
        if sqn is None:
            self.sqn += 32  # the next SEQ with the same IND
            sqn = self.sqn
        number = sqn.to_bytes(6, "big")
        return xor(number, self.results(rand)[3]) + amf + self.codes(rand, number, amf)[0]

    def triplet(self, rand):
        """Kc and SRES, by the functions c3 and c2."""
        res, ck, ik, *_ = self.results(rand)
        return xor(ck[:8], ck[8:], ik[:8], ik[8:]), xor(res[:4], res[4:])

    def resynchronise(self, rand, auts):
        """Goes on from the card's sequence number, if AUTS is the card's. Returns whether it is."""
        sqn = xor(auts[:6], self.results(rand)[4])
        if self.codes(rand, sqn, RESYNCHRONISATION_AMF)[1] != auts[6:]:
            return False
        self.sqn = int.from_bytes(sqn, "big")
        return True

    def answer(self, request):
        """Answers a request of hostapd as its hlr_auc_gw does."""
        kind, imsi, *rest = request.split()
        self.asked.append(kind)
        self.happens()
        if kind == "SIM-REQ-AUTH":
            rands = [os.urandom(16) for _ in range(int(rest[0]))]
            triplets = [(*self.triplet(rand), rand) for rand in rands]
            return " ".join(["SIM-RESP-AUTH", imsi, *(":".join(value.hex() for value in one) for one in triplets)])
        if kind == "AKA-REQ-AUTH":
            rand = os.urandom(16)
            res, ck, ik, *_ = self.results(rand)
            values = rand, self.autn(rand), ik, ck, res
            return " ".join(["AKA-RESP-AUTH", imsi, *(value.hex() for value in values)])
        assert kind == "AKA-AUTS" and self.resynchronise(bytes.fromhex(rest[1]), bytes.fromhex(rest[0]))
        return None

    @contextlib.contextmanager
    def at(self, path):
        """Answers at this socket, where hostapd asks if it has eap_sim_db=unix:PATH."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(path))
            thread = threading.Thread(target=self.serve, args=(server,))
            thread.start()
            try:
                yield
            finally:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                    client.sendto(b"", str(path))
                thread.join()
                path.unlink()

    def serve(self, server):
        while True:
            request, source = server.recvfrom(1000)
            if not request:
                return
            reply = self.answer(request.decode())
            if reply:
                server.sendto(reply.encode(), source)
