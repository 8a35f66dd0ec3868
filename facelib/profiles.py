"""The named configurations: what each changes of the defaults in config.py."""

# fmt: off
REFERENCE = {  # network, batches, loss and optimizer of the reference system
    "identities_per_batch": 50, "images_per_identity": 5, "align": False, "repeat_images": False, "augmentation": 0.0,
    "warp_share": 1.0, "network": "shallow_inception_resnet_v2", "margin": 0.15, "gamma": 16.0,
    "later_mining_epoch": 50, "pairs_weight": 0.0, "learning_rate": 1e-4, "decay": "none", "warmup_steps": 0,
    "weight_decay": 0.0, "texture_share": 0.0, "flip_average": False, "rareness_weight": 0.0,
}
PROFILES = {
    # every part once, in a few minutes; its figures prove nothing
    "smoke": {
        "drawn_identities": 60, "drawn_images": 6, "drawn_test_identities": 30, "drawn_pairs": 120,
        "identities_per_batch": 12, "epochs": 2, "steps_per_epoch": 6, "warmup_steps": 2, "later_mining_epoch": 1,
        "comparison_steps": 4,
    },
    # two cores, minutes: the defaults
    "laptop": {},
    # the same recipe for longer: many passes over the same images need stronger variations, and texture adds less
    "best": {
        "epochs": 60, "steps_per_epoch": 120, "augmentation": 1.7, "weight_decay": 0.1, "texture_share": 0.4,
    },
    # the reference system with its slips mended, and as it was; 24 minutes on two cores with AVX-512, 50 without
    "reference": {**REFERENCE, "epochs": 12, "steps_per_epoch": 53},
    "reference-as-it-was": {
        **REFERENCE, "epochs": 12, "steps_per_epoch": 53, "mining": "mistaken", "replayed_batches": 200,
        "bfloat16": False,
    },
    # the whole size, for a GPU: network, batches, loss and mining of the reference system. Estimated, not measured: an
    # image costs 1.5e9 operations (0.25e9 multiply-adds, three times those of forward). In layers this narrow GPUs
    # reach 10 to 25 % of their peak in float32, 5 to 10 % in bfloat16: with peaks of 8e12 and 100e12 operations a
    # second, 500 to 1,300 and 3,000 to 7,000 images/s, of which the one core that augments makes 4,000. 1.4e6
    # activations an image, in batches of 250, and as much again for gradients and workspaces: 2 GB in bfloat16, 4 GB in
    # float32
    "full": {
        **REFERENCE, "augmentation": 1.0, "decay": "cosine", "warmup_steps": 200, "weight_decay": 5e-2,
        "flip_average": True, "rareness_weight": 0.75, "epochs": 200, "steps_per_epoch": 200, "comparison_steps": 200,
    },
}
# fmt: on
