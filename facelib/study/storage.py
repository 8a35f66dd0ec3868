"""Where the queue of `make experiments` is kept: in a file of this folder, or where several folders reach it.

A database knows when a process last said that it lives. Optuna's journal does not: here the processes write that into
it, and each tells by its own clock for how long nothing new was written.
"""

import os
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

from facelib.files import check_writable

try:
    import optuna
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages._heartbeat import BaseHeartbeat
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from optuna.trial import TrialState
    from sqlalchemy import create_engine, event, make_url
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise ImportError("Optuna is not installed: pip install -e '.[experiments]'") from None

HEARTBEAT, GRACE = 10, 60  # seconds: a process says so often that it lives, and counts as killed after so many
BUSY_SECONDS = 60  # to wait for a file that another program writes
PASSING = ("is locked", "disk is full", "disk I/O error", "readonly database", "unable to open")  # SQLite says so
POSTGRESQL, CONNECT_SECONDS, LOCK_NUMBER = "postgresql+psycopg", 20, 0xFACE  # the last is an advisory lock
MOST_BYTES = 2**30  # of a journal, which is read as a whole: what ten workers write in a month
BEGINNING = b'{"op_code":'  # of what Optuna writes into a journal
ANEW = "name another STORAGE, and start again; nothing is lost"  # each folder's table takes its rows there


class QueueError(ValueError):
    """A queue that cannot be used; the message names the file or the database and says what to do."""


@contextmanager
def explaining(place: Path | str):
    """Say what to do where the body cannot use the queue at `place`, see `open_storage`.

    Raises:
        QueueError: it is busy, damaged or of another version of Optuna, the disk is full, or a server does not answer.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__ or error
        reason = str(getattr(cause, "orig", cause)).partition("\n")[0]
        if not isinstance(place, Path) and isinstance(cause, SQLAlchemyError):
            for secret in _secrets(_address(place)):
                reason = reason.replace(secret, "***")
            remedy = f"cannot be used now ({reason}): check server, user and database, and start again"
        elif any(words in reason for words in PASSING):
            remedy = f"cannot be used now ({reason}): free it, its folder or its disk, and start again"
        else:
            mend = "remove it" if isinstance(place, Path) else "name another STORAGE"
            remedy = f"is no queue of this version of Optuna ({reason}): {mend}, and start again"
        raise QueueError(f"{name_of(place)} {remedy}; nothing is lost") from None


def name_of(place: Path | str) -> str:
    """What messages call `place`, see `open_storage`: of an address, neither user nor password.

    Raises:
        QueueError: it is an address, but of no PostgreSQL database.
    """
    if isinstance(place, Path) or "://" not in place:
        return str(place)
    url = _address(place)
    return f"the database {url.database or url.username} on {url.host or 'this machine'}"


def open_storage(place: Path | str, come_back) -> BaseStorage:
    """Optuna's storage at `place`, made where there is none.

    Args:
        place: path of an SQLite file, which processes of one machine share; or, as text, what processes of several
            machines share: the address of a PostgreSQL database, or the path of a journal file.
        come_back: function of an Optuna study and a trial of it whose process was killed.

    Raises:
        QueueError: there can be no such storage; what else can go wrong, see `explaining`. UnwritableError: its file
            cannot be written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # what has to do with heartbeats
    if isinstance(place, Path):
        storage = _database(f"sqlite:///{place}", {"connect_args": {"timeout": BUSY_SECONDS}}, come_back)
        # Optuna looks whether a trial waits, and then takes it: SQLite would let two processes look before either takes
        storage.engine.dispose()
        event.listen(storage.engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return storage
    if "://" not in place:
        return _Journal(_journal(place), come_back)
    url = _address(place).render_as_string(hide_password=False)
    options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_SECONDS}}
    try:
        engine = create_engine(url, **options)
    except ImportError:
        raise QueueError("STORAGE needs psycopg, which is not installed: pip install -e '.[postgres]'") from None
    with engine.connect() as connection:  # two processes that make the tables at once would be in each other's way
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})")
        storage = _database(url, options, come_back)
    engine.dispose()
    return storage


def _database(url, options, come_back):
    url = url.replace("{", "{{").replace("}", "}}")  # Optuna takes it for a format
    beats = {"heartbeat_interval": HEARTBEAT, "grace_period": GRACE, "heartbeat_stale_trial_callback": come_back}
    try:
        return RDBStorage(url, options, **beats)
    except RuntimeError as error:  # written by another version
        raise optuna.exceptions.StorageInternalError(error) from None


def _address(text):
    # no message shows the text, or what SQLAlchemy says of it: there can be a password in it
    url, form = None, f"{POSTGRESQL}://user@host/database"
    with suppress(ValueError, SQLAlchemyError):
        url = make_url(text)
    if url is None or "@" in f"{url.host}{url.database}":  # a password that has one would end at it
        raise QueueError(f"STORAGE is no address {form}; in user and password, write @ : / as %40 %3A %2F")
    if url.drivername not in (POSTGRESQL, "postgresql", "postgres"):
        raise QueueError(f"STORAGE is an address of {url.drivername}; give one of the form {form}, or a journal file")
    return url.set(drivername=POSTGRESQL)


def _secrets(url):
    return {str(value) for name, value in [("password", url.password), *url.query.items()] if "password" in name}


def _journal(path):
    if not Path(path).absolute().parent.is_dir():
        raise QueueError(f"there is no folder for the journal {path}: mount it, or make it")
    check_writable(path)
    lock = JournalFileOpenLock(path)  # a file that one process alone can make: also on NFS, since version 3
    file = JournalFileBackend(path, lock)
    if os.path.getsize(path) > MOST_BYTES:
        raise QueueError(f"{path} is larger than a journal gets: {ANEW}")
    lock.acquire()  # nobody is in the middle of a line
    content = Path(path).read_bytes()
    lock.release()
    if content and not content.startswith(BEGINNING):
        raise QueueError(f"{path} is no journal of Optuna: name another file for STORAGE")
    if content and not content.endswith(b"\n"):
        raise QueueError(f"{path} ends within a line: {ANEW}")
    return file


class _Journal(JournalStorage, BaseHeartbeat):
    def __init__(self, backend, come_back):
        super().__init__(backend)
        self._come_back, self._seen = come_back, {}

    def _sync_with_backend(self):
        try:
            super()._sync_with_backend()
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
            path, line = self._backend._file_path, self._replay_result.log_number_read
            raise QueueError(f"{path} is damaged near line {line}: {ANEW}") from None

    def record_heartbeat(self, trial_id):
        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another process took this one for killed
            self.set_trial_system_attr(trial_id, "heartbeat", time.time())

    def _get_stale_trial_ids(self, study_id):
        before, self._seen = self._seen, {}
        for trial in self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            beat, now = trial.system_attrs.get("heartbeat"), time.monotonic()
            known, since = before.get(trial._trial_id, (None, now))
            self._seen[trial._trial_id] = (beat, since if beat == known else now)
        return [number for number, (_, since) in self._seen.items() if time.monotonic() - since > GRACE]

    def get_heartbeat_interval(self):
        return HEARTBEAT

    def get_heartbeat_stale_trial_callback(self):
        return self._come_back
