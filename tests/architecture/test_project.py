import subprocess
import sys
import tomllib
from os.path import normpath
from pathlib import PurePosixPath

import yaml

from tests.architecture.sources import PACKAGES, ROOT, python_files


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_declared() -> None:
    """A folder with Python files that pyproject.toml forgets would be missing from the wheel."""
    declared = set(pyproject()["tool"]["setuptools"]["packages"])
    found = {"likewise." + ".".join(path.parent.relative_to(ROOT).parts) for path in python_files(*PACKAGES)}
    assert declared == found


def test_layers_hold() -> None:
    """Every contract of import-linter is kept."""
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
    ]
    answer = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout


def test_the_lock_names_no_host() -> None:
    """The lock holds names, versions and hashes, and every line has its hash."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not any(line.startswith("-") for line in text.splitlines())
    requirements = text.replace("\\\n", " ").splitlines()
    assert all("--hash=sha256:" in line for line in requirements if line.strip())


def test_compose_describes_redis_postgres_and_the_server() -> None:
    """docker-compose.yml parses, keeps data in volumes and publishes ports to loopback only."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert {"redis", "postgres", "server", "trainer"} <= set(services)
    assert "--appendonly" in services["redis"]["command"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    mounts = [volume for service in services.values() for volume in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert all(mount.endswith(":ro") for mount in files)  # configuration of the repository, only read
    assert {mount.split(":")[0] for mount in mounts if mount not in files} <= set(compose["volumes"])


def test_what_the_repository_writes_lies_on_volumes() -> None:
    """Trainer and server share the Feast registry, the sources and the home: none of it dies with a container."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    feast = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text(encoding="utf-8"))
    repo = PurePosixPath("/app/feature_repo")
    written = [normpath(repo / feast["registry"]["path"]), normpath(repo / "data"), "/app/.likewise/blobs"]
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for service in ("server", "trainer"):
        mounted = [volume.split(":")[1] for volume in compose["services"][service]["volumes"]]
        assert all(any(path.startswith(mount) for mount in mounted) for path in written)
        # A volume belongs to root unless its folder is in the image, owned by the user that runs.
        assert all(mount.removeprefix("/app/") in image for mount in mounted)
        assert compose["services"][service]["environment"]["LIKEWISE_CLOCK"]


def test_the_image_installs_the_lock_and_runs_the_cli() -> None:
    """The Dockerfile installs exactly the lock and starts the command that pyproject.toml declares."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--no-deps --require-hashes -r requirements.lock" in text
    assert 'ENTRYPOINT ["likewise"]' in text
    assert "likewise" in pyproject()["project"]["scripts"]
