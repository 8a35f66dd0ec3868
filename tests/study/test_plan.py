from facelib.config import load_config
from facelib.study import plan
from facelib.study.plan import TABLES, Trial, configure, declared, is_searched, settings_of

BASE = load_config(plan.PROFILE, "drawn", plan.BASE)
BEST = load_config("best", "drawn")


def images(config):
    return config.epochs * config.steps_per_epoch * config.identities_per_batch * config.images_per_identity


def warmup_share(config):
    return config.warmup_steps / (config.epochs * config.steps_per_epoch)


def test_every_declared_trial_can_be_configured_and_keeps_its_settings():
    for trial in declared():
        config = configure(trial, "drawn")
        assert config.seed == trial.seed
        assert settings_of(trial.settings) == trial.settings
    assert configure(Trial("", 8), "drawn").epochs == 5


def test_equal_configurations_are_one_trial():
    trials = declared()
    names = trials[Trial("", plan.SEEDS[0])]
    bases = {table for table, choices in TABLES.items() if "" in map(settings_of, choices.values())}
    assert {table for table, _ in names} == bases
    assert len({(tuple(sorted(vars(configure(trial, "drawn")).items()))) for trial in trials}) == len(trials)
    assert settings_of("gamma=32 margin=0.2") == settings_of("margin=0.2 gamma=32.0") == "gamma=32.0 margin=0.2"
    assert settings_of(f"gamma={BASE.gamma}") == ""


def test_the_first_seed_of_everything_comes_before_the_other_seeds():
    seeds = [trial.seed for trial in declared()]
    whole = [trial.seed for trial in declared([plan.WHOLE])]
    short = seeds[: -len(whole) + 1]  # the first of the whole recipe is in the curve already
    assert short == sorted(short) and set(short) == set(plan.SEEDS)
    assert whole == list(plan.SEEDS) and seeds == short + whole[1:]
    repeated = {table for trial, places in declared().items() if trial.seed == 9 for table, _ in places}
    assert repeated == {*TABLES} - {*plan.ONCE, *plan.TWICE}
    lengths = [(configure(trial, "drawn"), trial.seed) for trial in declared(["minutes"])]
    assert [(config.epochs, config.steps_per_epoch, seed) for config, seed in lengths] == [
        (1, plan.STEPS_A_MINUTE / 2, 7),
        *((minutes, plan.STEPS_A_MINUTE, 7) for minutes in (1, 2, 5, 10, 20, 30)),
        (BEST.epochs, BEST.steps_per_epoch, 7),
        (24, 360, 7),
    ]


def test_the_two_longest_trials_are_the_recipe_of_best_and_the_others_that_of_the_base():
    same = {"profile": "", "epochs": 0, "steps_per_epoch": 0}
    *others, whole, longer = (vars(configure(trial, "drawn")) | same for trial in declared(["minutes"]))
    assert whole == longer == vars(BEST) | same
    assert len(others) == 7 and all(other == vars(BASE) | same for other in others)


def test_the_whole_recipe_is_the_profile_best():
    for trial in declared([plan.WHOLE]):
        best = load_config("best", "drawn", f"seed={trial.seed}")
        assert vars(configure(trial, "drawn")) | {"profile": ""} == vars(best) | {"profile": ""}


def test_a_choice_that_makes_a_step_dearer_is_not_expected_to_be_over_sooner():
    expected = {places[0][0]: plan.minutes_of(trial) for trial, places in declared().items()}
    assert expected[plan.WHOLE] == 60 * 120 / 120
    assert {minutes for table, minutes in expected.items() if table not in (*plan.TESTED, plan.LONG)} == {5}
    assert [plan.minutes_of(trial) for trial in declared([plan.LONG])] == [20] * 7
    assert [plan.minutes_of(trial) for trial in declared([plan.MINUTES])] == [1, 1, 2, 5, 10, 20, 30, 60, 72]


def test_batches_of_another_size_see_as_many_images():
    for overrides in TABLES["P x K"].values():
        config = load_config(plan.PROFILE, "drawn", f"{plan.BASE} {overrides}")
        assert images(config) == images(BASE) == 38_400
        assert warmup_share(config) == warmup_share(BASE)


def test_dearer_and_cheaper_steps_have_a_warmup_in_proportion():
    for table in ("image size", "network"):
        for overrides in TABLES[table].values():
            assert warmup_share(load_config(plan.PROFILE, "drawn", f"{plan.BASE} {overrides}")) == warmup_share(BASE)


def test_only_those_shown_the_test_pairs_and_those_of_one_table_are_of_another_length():
    for trial, places in declared().items():
        tables = {table for table, _ in places}
        assert configure(trial, "drawn").epochs == BASE.epochs or tables <= {*plan.TESTED, plan.LONG}


def test_four_times_as_long_has_the_curve_at_20_minutes_as_its_first_choice_and_one_change_in_each_other():
    first, *others = declared([plan.LONG])
    assert declared()[first] == [(plan.LONG, "nothing changed"), (plan.MINUTES, "20")]
    length = {"epochs": 0, "steps_per_epoch": 0, "warmup_steps": 0}
    for trial in others:
        config = configure(trial, "drawn")
        assert sum(value != vars(BASE)[key] for key, value in (vars(config) | length).items() if key not in length) == 1
        assert config.epochs == 20 and warmup_share(config) == warmup_share(configure(first, "drawn"))


def test_training_identities_are_the_base_on_doubling_numbers_of_them_with_two_seeds():
    trials = declared([plan.IDENTITIES])
    assert [(trial.seed, configure(trial, "drawn").training_identities) for trial in trials] == [
        (seed, 132 * 2**doublings) for seed in plan.SEEDS[:2] for doublings in range(4)
    ]
    for trial in trials:
        config = configure(trial, "drawn")
        ((_, choice),) = declared()[trial]  # it belongs to no other table
        assert choice == f"{config.training_identities:,}"
        assert vars(config) | {"training_identities": 0, "seed": 0} == vars(BASE) | {"seed": 0}


def test_the_reference_is_that_of_the_profile():
    mended = load_config(plan.PROFILE, "drawn", f"{plan.BASE} {TABLES['system']['reference, mended']}")
    profile = load_config("reference", "drawn", f"epochs={BASE.epochs} steps_per_epoch=12")
    assert vars(mended) | {"profile": ""} == vars(profile) | {"profile": ""}
    was = load_config(plan.PROFILE, "drawn", f"{plan.BASE} {TABLES['system']['reference as it was']}")
    profile = load_config(
        "reference-as-it-was", "drawn", f"epochs={BASE.epochs} steps_per_epoch=12 replayed_batches=20"
    )
    assert vars(was) | {"profile": ""} == vars(profile) | {"profile": ""}


def test_a_search_trial_is_known_by_its_settings():
    settings = settings_of("margin=0.3 gamma=20.5 learning_rate=2e-3 weight_decay=0.01")
    assert is_searched(Trial(settings, 7))
    assert settings == "gamma=20.5 learning_rate=0.002 margin=0.3 weight_decay=0.01"
    assert not any(is_searched(trial) for trial in declared())
    for name, (low, high, _) in plan.SEARCH.items():
        assert low < getattr(BASE, name) < high
