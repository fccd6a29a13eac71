"""Files that are no video, are damaged or too large: an error that names the file, or what is left of the video."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_pictures import number_of, write_silence, write_video
from odd_pictures import drawing, encoded

from seatrial.errors import InputError
from seatrial.models.pictures import sample_video
from seatrial.models.vision_config import VideoRules

RULES = VideoRules(fps=1.0, max_frames=64, longest_edge=384)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        sample_video(path, RULES)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_is_no_video_is_refused_by_name(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "absent.mp4")
    assert "not a file" in refused(tmp_path)
    wrong = {
        "empty.mp4": b"",
        "text.mp4": b"Dear sir or madam, " * 100,
        "page.mp4": b"<!doctype html><html></html>" * 10,
        "zeros.mkv": bytes(10_000),
        "picture.mp4": encoded(drawing(40, 30), "JPEG"),
    }
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
        assert "no video that can be read" in refused(tmp_path / name)
    assert "it is a picture (image/jpeg). Show it as one." in refused(tmp_path / "picture.mp4")
    assert "only sound" in refused(write_silence(tmp_path / "sound.mp4"))


def test_a_playlist_that_names_other_files_is_not_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "inner.ts", 20, codec="mpeg2video")
    for name, text in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\ninner.ts\n#EXT-X-ENDLIST\n",
        "list.ffconcat": "ffconcat version 1.0\nfile inner.ts\n",
        "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert "no video that can be read" in refused(tmp_path / name)


def test_a_name_that_reads_as_an_address_is_a_file_all_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 10).rename(tmp_path / "concat:a|b.mp4")
    assert len(sample_video(path, RULES).frames) == 1


def test_a_cut_video_is_refused_where_frames_are_missing(tmp_path: Path) -> None:
    """An AVI's header counts all its frames; the file ends early."""
    path = write_video(tmp_path / "a.avi", 600, codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged or cut short" in refused(path)


def test_a_cut_recording_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Matroska and MPEG streams count no frames: what is there is the video."""
    path = write_video(tmp_path / "a.ts", 600, codec="mpeg2video")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = sample_video(path, RULES)
    assert 20 < video.duration_s < 40
    assert [number_of(frame.picture) for frame in video.frames] == [round(f.at_s * video.fps) for f in video.frames]


def test_frames_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.models.pictures.frames.MOST_FRAME_PIXELS", 128 * 32 - 1)
    assert "128 × 32 = 4,096 pixels" in refused(write_video(tmp_path / "a.mp4", 5))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    makers = {"a.mp4": "libx264", "a.mkv": "libx264", "a.avi": "mpeg4", "a.ts": "mpeg2video"}
    return {name: write_video(folder / name, 30, codec=codec).read_bytes() for name, codec in makers.items()}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=8),
    kept=st.one_of(st.just(1.0), st.floats(0.05, 1)),
)
def test_a_damaged_video_is_a_video_or_an_error_of_ours(
    whole: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    changes: list[tuple[float, bytes]],
    kept: float,
) -> None:
    data = bytearray(whole[name])
    for place, replacement in changes:
        at = int(place * len(data))
        data[at : at + len(replacement)] = replacement
    path = tmp_path_factory.getbasetemp() / f"damaged {name}"
    path.write_bytes(bytes(data[: int(len(data) * kept)]))
    try:
        frames = sample_video(path, RULES).frames
    except InputError:
        frames = []
    assert len(frames) <= RULES.max_frames
