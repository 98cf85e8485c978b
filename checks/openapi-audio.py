"""Bodies of turns for schemathesis: a recording, noise as WAV or L16, and bytes that are no audio."""

from pathlib import Path

import schemathesis
from hypothesis import strategies as st

RECORDING = (Path(__file__).parent.parent / "fixtures/audio/en-frontend-1.wav").read_bytes()


def wav_of(pcm: bytes) -> bytes:
    return RECORDING[:40] + len(pcm).to_bytes(4, "little") + pcm


NOISE = st.binary(max_size=64_000)
WAV = st.one_of(st.just(RECORDING), NOISE.map(wav_of), NOISE, NOISE.map(lambda more: RECORDING[:60] + more))

schemathesis.openapi.media_type("audio/wav", WAV)
schemathesis.openapi.media_type("audio/webm", NOISE.map(lambda more: b"\x1aE\xdf\xa3" + more))
schemathesis.openapi.media_type(
    "audio/L16;rate=16000;channels=1", st.one_of(st.just(RECORDING[44:]), NOISE), aliases=["audio/L16"]
)
