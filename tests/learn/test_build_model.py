from types import SimpleNamespace

import pytest
import tensorflow as tf

from facelib.config import load_config
from facelib.learn import networks


@pytest.mark.parametrize("machine", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_the_network_is_the_configurations_and_bfloat16_only_where_it_is_fast(monkeypatch, machine, wanted):
    monkeypatch.setattr(networks, "build_network", lambda *arguments: arguments)
    monkeypatch.setattr(networks, "has_bfloat16", lambda: machine)
    settings = f"network=residual bfloat16={wanted} seed=5 embedding_size=6 image_size=40 local_contrast=False"
    config = load_config("smoke", "drawn", settings)
    assert networks.build_model(config) == ("residual", 6, machine and wanted, 5, 40, False)
    assert networks.uses_bfloat16(config) == (machine and wanted)


@pytest.mark.parametrize(
    ("settings", "size"),
    [("", 40), ("network=shallow_inception_resnet_v2", 112), ("augmentation=0.0", 112)],
)
def test_augmentation_reduces_images_to_the_size_that_the_network_looks_at(settings, size):
    config = load_config("smoke", "drawn", f"image_size=40 {settings}")
    assert networks.input_size(config) == size


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ([(8, 0)], True), ([(8, 9), (9, 0)], True), ([(10, 0)], True), ([(7, 5)], False), ([(7, 9)], False),
        ([(9, 0), (7, 0)], False), ([(7, 0), (9, 0)], False), ([None], False), ([(9, 0), None], False),
    ],
)  # fmt: skip
def test_a_gpu_is_fast_in_bfloat16_from_compute_capability_8_on_whatever_the_processor(monkeypatch, capabilities, fast):
    gpus = [SimpleNamespace(capability=capability) for capability in capabilities]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else [])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": gpu.capability} if gpu.capability else {},
    )
    for text in ("flags: avx512_bf16", "flags: sse"):
        monkeypatch.setattr(networks.Path, "read_text", lambda path, text=text: text)
        assert networks.has_bfloat16() == fast


@pytest.mark.parametrize(("flags", "fast"), [("avx2 avx512_bf16", True), ("amx_bf16", True), ("avx512f", False)])
def test_without_a_gpu_the_processor_decides_on_bfloat16(monkeypatch, flags, fast):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(networks.Path, "exists", lambda path: True)
    monkeypatch.setattr(networks.Path, "read_text", lambda path: f"flags: {flags}")
    assert networks.has_bfloat16() == fast
