"""What a checkpoint says about its eyes, checked once.

In: the dictionaries of a SmolVLM2 folder (`config.json`, `preprocessor_config.json`, `processor_config.json`,
`video_preprocessor_config.json`), or the metadata of llama.cpp's `mmproj` file. Out: a `VisionConfig`, which the
encoders read, and `PictureRules`, which the preparation of pictures and videos reads. What we do not compute (another
encoder, activation, projector, way to resize) is refused by name. Torch-free.

Where a published file is silent, the defaults of transformers' `SmolVLMVisionConfig`, `SmolVLMConfig`,
`SmolVLMImageProcessor` and `SmolVLMVideoProcessor` hold (release 5.23), and those of llama.cpp's `clip` for GGUF.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.fields import Fields, token_ids
from seatrial.models.quoting import named, quoted
from seatrial.models.vision_bounds import check_pictures, check_videos
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig

Place = Path | str | None

PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
_NESTING, _PICTURES, _VIDEOS = PROCESSOR_FILES
_ENCODERS = ("smolvlm_vision", "idefics3_vision", "siglip_vision_model", "smolvlm", "idefics3")
_ACTIVATION = "gelu_pytorch_tanh"
_PROJECTOR = "idefics3"
# transformers' `LlamaConfig`.
_TEXT_DEFAULTS: Mapping[str, Any] = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# What the checkpoints were trained with, for GGUF files, which say nothing about videos (their model cards).
_FPS, _MAX_FRAMES = 1.0, 64
_LARGEST_EDGE, _LARGEST_TILE = 1 << 13, 1 << 11


def text_side(raw: Mapping[str, Any], *, path: Place = None) -> dict[str, Any]:
    """The decoder of a `config.json` whose `model_type` is one of VISION_TYPES, as a `config.json` of its own.

    Whether embedding and output are one is said outside; fields that equal transformers' defaults may be absent.
    Raises CheckpointError.
    """
    text = _object(raw, "text_config", path).raw
    outside = {"tie_word_embeddings": raw.get("tie_word_embeddings", False)}
    if raw.get("quantization_config"):
        outside["quantization_config"] = raw["quantization_config"]
    return {**_TEXT_DEFAULTS, **text, **outside}


def vision_config_from_hf(raw: Mapping[str, Any], *, text_hidden_size: int, path: Place = None) -> VisionConfig:
    """Read the eyes of a Hugging Face `config.json` whose `model_type` is one of VISION_TYPES.

    `text_hidden_size` is the decoder's.

    Raises CheckpointError (a field is absent or impossible) or UnsupportedModel (a named thing we do not compute).
    """
    outer, eyes = Fields(raw, path), _object(raw, "vision_config", path)
    _refuse_options(eyes)
    return _validated(
        VisionConfig(
            image_size=_edge(eyes, "image_size", 224),
            patch_size=_edge(eyes, "patch_size", 32),
            hidden_size=eyes.count("hidden_size", "width", 1152),
            intermediate_size=eyes.count("intermediate_size", "width", 3072),
            num_layers=eyes.count("num_hidden_layers", "layers", 12),
            num_heads=eyes.count("num_attention_heads", "heads", 16),
            norm_eps=eyes.number("layer_norm_eps", 1e-6),
            scale_factor=outer.count("scale_factor", "heads", 2),
            text_hidden_size=text_hidden_size,
            image_token_id=_image_token(raw, path),
        ),
        path,
    )


def picture_rules_from_hf(
    files: Mapping[str, Mapping[str, Any]], config: VisionConfig, *, folder: Path
) -> PictureRules:
    """Read how pictures are prepared. `files` holds those of PROCESSOR_FILES that `folder` has, by name.

    transformers 5 nests the settings for pictures and videos in `processor_config.json`; where they are not there,
    those for pictures are in `preprocessor_config.json`, those for videos in `video_preprocessor_config.json` or in the
    same file as those for pictures. Raises as `vision_config_from_hf`.
    """
    pictures = _section(files, folder, "image_processor", _PICTURES)
    moving = _section(files, folder, "video_processor", _VIDEOS, _PICTURES)
    _refuse_processing(pictures)
    tile_edge = _longest(pictures, "max_image_size", config.image_size, _LARGEST_TILE)
    if tile_edge != config.image_size:
        raise UnsupportedModel(
            f"tiles of {tile_edge} pixels for an encoder of {config.image_size}; we compute equal ones only",
            path=pictures.path,
            field="max_image_size",
        )
    rules = PictureRules(
        longest_edge=_longest(pictures, "size", 4 * config.image_size, _LARGEST_EDGE),
        tile_edge=tile_edge,
        splits=pictures.flag("do_image_splitting", True),
        mean=_colours(pictures, "image_mean", least=-1e3),
        std=_colours(pictures, "image_std", least=1e-3),
        video=_video_rules(moving, config.image_size),
    )
    check_pictures(rules, config, path=pictures.path, field="size")
    check_videos(rules, config, path=moving.path, field="max_frames")
    return rules


def vision_from_gguf(
    metadata: Mapping[str, Any], *, image_token_id: int, path: Place = None
) -> tuple[VisionConfig, PictureRules]:
    """Read the metadata of llama.cpp's `mmproj` file: architecture `clip`, projector `idefics3`.

    The file does not say which token stands for a picture; the text model's vocabulary does. Raises as
    `vision_config_from_hf`.
    """
    fields = Fields(metadata, path)
    _refuse_gguf(fields)
    at = "clip.vision."
    config = _validated(
        VisionConfig(
            image_size=fields.count(f"{at}image_size", "width"),
            patch_size=fields.count(f"{at}patch_size", "width"),
            hidden_size=fields.count(f"{at}embedding_length", "width"),
            intermediate_size=fields.count(f"{at}feed_forward_length", "width"),
            num_layers=fields.count(f"{at}block_count", "layers"),
            num_heads=fields.count(f"{at}attention.head_count", "heads"),
            norm_eps=fields.number(f"{at}attention.layer_norm_epsilon"),
            scale_factor=fields.count(f"{at}projector.scale_factor", "heads"),
            text_hidden_size=fields.count(f"{at}projection_dim", "width"),
            image_token_id=image_token_id,
        ),
        path,
    )
    edge_key = f"{at}preproc_image_size"
    edge = fields.count(edge_key, "width", 4 * config.image_size)
    rules = PictureRules(
        longest_edge=edge,
        tile_edge=config.image_size,
        splits=edge > config.image_size,
        mean=_colours(fields, f"{at}image_mean", least=-1e3),
        std=_colours(fields, f"{at}image_std", least=1e-3),
        video=VideoRules(_FPS, _MAX_FRAMES, edge),
    )
    check_pictures(rules, config, path=path, field=edge_key)
    check_videos(rules, config, path=path, field=f"{at}image_size")
    return config, rules


def _object(raw: Mapping[str, Any], key: str, path: Place) -> Fields:
    value = raw.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"expected an object, found {quoted(value)}", path=path, field=key)
    return Fields(value, path)


def _section(files: Mapping[str, Mapping[str, Any]], folder: Path, key: str, *names: str) -> Fields:
    """What stands under `key` in the file that nests sections, else the first of the files there is, else nothing."""
    nested = files.get(_NESTING, {}).get(key)
    if nested is not None:
        return _object(files[_NESTING], key, folder / _NESTING)
    name = next((name for name in names if name in files), names[-1])
    return Fields(files.get(name, {}), folder / name)


def _edge(fields: Fields, key: str, default: int) -> int:
    """A count of pixels; files may write a pair of equal ones."""
    value = fields.raw.get(key)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        return Fields({key: value[0]}, fields.path).count(key, "width")
    return fields.count(key, "width", default)


def _image_token(raw: Mapping[str, Any], path: Place) -> int:
    ids = token_ids(raw.get("image_token_id"), "image_token_id", path)
    if len(ids) != 1:
        reason = f"expected the id of the token that stands for a picture, found {quoted(raw.get('image_token_id'))}"
        raise CheckpointError(reason, path=path, field="image_token_id")
    return ids[0]


def _refuse_options(eyes: Fields) -> None:
    kind = eyes.raw.get("model_type", _ENCODERS[0])
    # Under each of these names files of the family have the same SigLIP.
    if kind not in _ENCODERS:
        raise UnsupportedModel(
            f"picture encoder {quoted(kind)}; known: {', '.join(_ENCODERS)}", path=eyes.path, field="vision_config"
        )
    activation = eyes.raw.get("hidden_act", _ACTIVATION)
    if activation != _ACTIVATION:
        raise UnsupportedModel(
            f"activation {quoted(activation)}; known: `{_ACTIVATION}`", path=eyes.path, field="hidden_act"
        )
    channels = eyes.raw.get("num_channels", 3)
    if channels != 3:
        raise UnsupportedModel(f"{quoted(channels)} channels; known: 3", path=eyes.path, field="num_channels")


def _refuse_processing(pictures: Fields) -> None:
    """Only the published way: RGB, resized with Lanczos' filter, scaled by 1/255, normalised."""
    for key in ("do_resize", "do_rescale", "do_normalize", "do_convert_rgb"):
        if not pictures.flag(key, True):
            raise UnsupportedModel("`false` is not what we compute; known: `true`", path=pictures.path, field=key)
    filter_ = pictures.raw.get("resample", 1)
    if filter_ != 1:
        raise UnsupportedModel(
            f"filter {quoted(filter_)} for resizing; known: 1 (Lanczos)", path=pictures.path, field="resample"
        )
    factor = pictures.number("rescale_factor", 1 / 255)
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise UnsupportedModel(f"{factor}; known: 1/255", path=pictures.path, field="rescale_factor")


def _longest(fields: Fields, key: str, default: int, most: int) -> int:
    value = fields.raw.get(key)
    if value is None:
        return default
    if isinstance(value, dict) and "longest_edge" not in value:
        raise UnsupportedModel(f"{quoted(value)}; known: `longest_edge`", path=fields.path, field=key)
    edge = value["longest_edge"] if isinstance(value, dict) else value
    if not isinstance(edge, int) or isinstance(edge, bool) or not 1 <= edge <= most:
        reason = f"expected a `longest_edge` from 1 to {most:,}, found {quoted(edge)}"
        raise CheckpointError(reason, path=fields.path, field=key)
    return edge


def _colours(fields: Fields, key: str, *, least: float) -> tuple[float, float, float]:
    value = fields.raw.get(key)
    value = [0.5, 0.5, 0.5] if value is None else [value] * 3 if isinstance(value, float) else value
    if not isinstance(value, list) or len(value) != 3:
        raise CheckpointError(f"expected three numbers, found {quoted(value)}", path=fields.path, field=key)
    red, green, blue = (Fields({key: one}, fields.path).number(key, within=(least, 1e3)) for one in value)
    return red, green, blue


def _video_rules(moving: Fields, image_size: int) -> VideoRules:
    """How transformers reads them: `video_sampling` wins over `fps` and `num_frames`, `size` over its `video_size`."""
    has_sampling = moving.raw.get("video_sampling") is not None
    sampling = _object(moving.raw, "video_sampling", moving.path).raw if has_sampling else {}
    said = {"fps": moving.raw.get("fps"), "max_frames": moving.raw.get("num_frames")}
    rules = Fields({**said, **sampling}, moving.path)
    edge = _longest(rules, "video_size", 4 * image_size, _LARGEST_EDGE)
    return VideoRules(
        fps=rules.number("fps", _FPS, within=(1e-3, 1e3)),
        max_frames=rules.count("max_frames", "heads", _MAX_FRAMES),
        longest_edge=_longest(moving, "size", edge, _LARGEST_EDGE),
    )


def _refuse_gguf(fields: Fields) -> None:
    architecture = fields.text("general.architecture")
    if architecture != "clip":
        reason = f"architecture `{named(architecture)}` is no picture encoder; known: `clip`"
        raise UnsupportedModel(reason, path=fields.path, field="general.architecture")
    key = "clip.projector_type"
    projector = fields.raw.get(key) or fields.raw.get("clip.vision.projector_type")
    if projector != _PROJECTOR:
        reason = f"projector {quoted(projector)} is not one we compute; known: `{_PROJECTOR}` (SmolVLM)"
        raise UnsupportedModel(reason, path=fields.path, field=key)
    if fields.flag("clip.has_audio_encoder", False):
        raise UnsupportedModel("sound is not one we compute", path=fields.path, field="clip.has_audio_encoder")
    # Without it llama.cpp takes another function, GELU by a sigmoid.
    if not fields.flag("clip.use_gelu", False) or fields.flag("clip.use_silu", False):
        raise UnsupportedModel(
            "another activation; known: GELU by the hyperbolic tangent", path=fields.path, field="clip.use_gelu"
        )


def _validated(config: VisionConfig, path: Place) -> VisionConfig:
    problem = (
        ("image_size", f"{config.image_size:,} exceeds {_LARGEST_TILE:,} pixels")
        if config.image_size > _LARGEST_TILE
        else ("patch_size", f"{config.patch_size} exceeds the picture's {config.image_size} pixels")
        if config.patch_size > config.image_size
        else ("num_attention_heads", f"{config.hidden_size} does not divide among {config.num_heads} heads")
        if config.hidden_size % config.num_heads
        else (
            "scale_factor",
            f"{config.patches_per_side} patches per side do not divide by {config.scale_factor}",
        )
        if config.patches_per_side % config.scale_factor
        else None
    )
    if problem:
        raise CheckpointError(problem[1], path=path, field=problem[0])
    return config
