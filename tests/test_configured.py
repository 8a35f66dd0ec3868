import pytest

from facelib import configured
from facelib.config import load_config


@pytest.mark.parametrize("machine", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_the_network_is_the_configurations_and_bfloat16_only_where_it_is_fast(monkeypatch, machine, wanted):
    monkeypatch.setattr(configured, "build_network", lambda *arguments: arguments)
    monkeypatch.setattr(configured, "has_bfloat16", lambda: machine)
    settings = f"network=residual bfloat16={wanted} seed=5 embedding_size=6 image_size=40 local_contrast=False"
    config = load_config("smoke", "drawn", settings)
    assert configured.build_model(config) == ("residual", 6, machine and wanted, 5, 40, False)
    assert configured.uses_bfloat16(config) == (machine and wanted)


@pytest.mark.parametrize(
    ("settings", "size"),
    [("", 40), ("network=shallow_inception_resnet_v2", 112), ("augmentation=0.0", 112)],
)
def test_augmentation_reduces_images_to_the_size_that_the_network_looks_at(settings, size):
    config = load_config("smoke", "drawn", f"image_size=40 {settings}")
    assert configured.shown_size(config) == size
