"""Results of all notebooks, made up: what the report and the summary of the study are tried with."""

from facelib.study import plan

RESULTS = {
    "01_eda": dict(
        identities=1200, images=5926, minimum=2, maximum=50, mean=4.938, median=3.0, image_width=112, image_height=112,
        unreadable=0, duplicates=3, grey_share=0.0123, test_pairs=1200, test_images=1540, test_people=600,
        test_frame=[250, 250], crop_side=128,
    ),
    "02_dataset": dict(
        random_batch_positive_share=0.0021, pk_positive_share=0.0118,
        align=True, aligned_by_pixels=1.4, aligned_by_percent=2.6, aligned_by_degrees=0.9,
    ),
    "03_loss_derivation": dict(gammas=[1, 4, 16, 64]),
    "04_model": dict(
        networks={
            "shallow_inception_resnet_v2": dict(parameters=3005200, multiply_adds=250000000),
            "residual": dict(parameters=2801920, multiply_adds=281000000),
            "mobilefacenet": dict(parameters=1022720, multiply_adds=220965376),
            "iresnet34": dict(parameters=34165184, multiply_adds=4459642880),
        },
        pixels_roc_auc=0.61,
    ),
    "05_mining": dict(
        triplets={"semi-hard": 711, "hard": 768, "all": 190512}, pairs_without_semi_hard=57, anchor_positive_pairs=768
    ),
    "06_training": dict(
        training_identities=1056, training_images=5251, validation_pairs=2646, epochs=20, steps=1000,
        images_seen=256000, final_loss=0.1234, best_epoch=20, untrained_roc_auc=0.6394, comparison_steps=60,
        bfloat16_used=True,
        validation_roc_auc=0.9312, validation_accuracy=0.861,
        validation_accuracy_interval=dict(value=0.861, standard_error=0.0154, lower=0.8279, upper=0.8886),
        comparison=[
            dict(name="semi-hard negatives", validation_roc_auc=0.68, validation_accuracy=0.63),
            dict(name="the winner", validation_roc_auc=0.7, validation_accuracy=0.65),
            dict(name="hardest negatives", validation_roc_auc=0.67, validation_accuracy=0.62),
            dict(name="triplet loss for the triplets", validation_roc_auc=0.66, validation_accuracy=0.61),
            dict(name="triplets alone", validation_roc_auc=0.65, validation_accuracy=0.6),
        ],
    ),
    "07_lfw_test": dict(
        pairs=1200, matched_pairs=600, roc_auc_keras=0.9388, pr_auc_keras=0.94, roc_auc=0.9389,
        average_precision=0.9412, eer=0.14, validation_threshold=0.71,
        accuracy_at_validation_threshold=0.8523,
        best_threshold=0.702, best_accuracy=0.861,
        training_names=0, shared_names=0,
        gains=dict(
            best=dict(value=0.0087, standard_error=0.005, lower=-0.0011, upper=0.0185, p_value=0.08),
            cross_validated=dict(value=0.0027, standard_error=0.005, lower=-0.0071, upper=0.0125, p_value=0.59),
        ),
        from_validation=dict(value=-0.0087, standard_error=0.0189, lower=-0.0446, upper=0.0297, p_value=0.65),
        summaries=dict(configured=dict(
            roc_auc=dict(value=0.9389, standard_error=0.008, lower=0.9212, upper=0.9534),
            average_precision=dict(value=0.9412, standard_error=0.007, lower=0.9236, upper=0.9549),
            equal_error_rate=dict(value=0.14, standard_error=0.011, lower=0.1202, upper=0.1634),
            validation_accuracy=dict(value=0.8523, standard_error=0.011, lower=0.8291, upper=0.8732),
            cross_validation=dict(accuracies=[0.85, 0.86], accuracy=0.855, standard_error=0.005),
        )),
    ),
    "08_experiments": dict(
        faces="real", earlier=0, trials=81, declared=83, failed=7, hours=5.2,
        causes={"collapse": 4, "the loss is not finite": 2, "OSError": 1},
        factors=[  # as wide as they can be: the longest name of each table is that of the best choice
            dict(
                table=table, best=max(choices, key=len), compared=len(choices), lead=0.0761, ahead=0.0112,
                **dict.fromkeys(("lead_spread", "ahead_spread"), None if table in plan.ONCE else 0.0123),
            ) for table, choices in plan.TABLES.items() if table not in plan.TESTED
        ],
        search=dict(
            trials=12, base_roc_auc=0.8777,
            best=dict(margin=0.3, gamma=131.2, learning_rate=0.0017, weight_decay=0.0513, validation_roc_auc=0.8888),
        ),
        minutes=[
            dict(minutes=1.1, test_accuracy=0.71, as_best=False), dict(minutes=29.5, test_accuracy=0.84, as_best=True)
        ],
        forecast=dict(
            identities=8000, runs=[
                dict(identities=identities, seed=seed) for identities in (132, 264, 528, 1056) for seed in (7, 8)
            ],
            kinds={
                kind: dict(
                    name=name, accuracy=dict(value=value, lower=value - 0.031, upper=value + 0.021),
                    check=dict(
                        identities=1056, accuracy=dict(value=0.871, lower=0.811, upper=0.907), measured=[0.864, 0.859]
                    ),
                ) for kind, name, value in (
                    ("test", "network alone", 0.9123), ("joined_test", "with texture, normalised", 0.9345)
                )
            },
        ),
        whole=dict(
            seeds=3, minutes=dict(mean=104.4, deviation=None), joined_test_accuracy=dict(mean=0.9171, deviation=0.0042),
            joined_test_best_accuracy=dict(mean=0.9212, deviation=0.0031),
            joined_test_roc_auc=dict(mean=0.9753, deviation=0.0016),
        ),
    ),
    "09_small_sets": dict(
        texture_components=40, cohort_images=1056,
        parts=[
            dict(
                name=name, validation_roc_auc=area + 0.01,
                test=dict(
                    roc_auc=dict(value=area, lower=area - 0.02, upper=area + 0.015),
                    validation_accuracy=dict(value=share, lower=share - 0.022, upper=share + 0.019),
                ),
            ) for name, area, share in (
                ("network", 0.9389, 0.8523), ("texture", 0.9507, 0.8707), ("network and texture", 0.9677, 0.8917),
                ("network and texture, normalised", 0.9702, 0.9142),
            )
        ],
        differences=dict(network=dict(accuracy=dict(value=0.0619, lower=0.0432, upper=0.0806))),
        sizes=[
            dict(identities=132, gain=dict(value=0.1234, lower=0.0932, upper=0.1536)),
            dict(identities=1056, gain=dict(value=0.0555, lower=0.0321, upper=0.0789)),
        ],
    ),
    "10_error_analysis": dict(
        expected_calibration_error=0.0321,
        carried=[
            dict(pairs=kind, images=images, moved=moved, gains=dict(
                quantile=dict(value=gain),
                normalised=dict(value=gain + 0.03, lower=gain + 0.02, upper=gain + 0.05),
            )) for kind, images, moved, gain in (
                ("validation", "as they are", 0.0, 0.0), ("validation", "darker", 0.1234, 0.1777),
                ("test", "as they are", 0.0163, -0.0041), ("test", "compressed", 0.015, 0.0067),
                ("test", "darker", -0.1083, 0.1675),
            )
        ],
        all_pairs=dict(images=1539, matched=4321, mismatched=1179432, tar_at_far=[
            dict(far=0.1, tar=dict(value=0.9012, standard_error=0.01, lower=0.8811, upper=0.9213)),
            dict(far=0.01, tar=dict(value=0.6543, standard_error=0.02, lower=0.6123, upper=0.6912)),
            dict(far=0.001, tar=dict(value=0.3456, standard_error=0.03, lower=0.2912, upper=0.4078)),
        ]),
    ),
}  # fmt: skip
