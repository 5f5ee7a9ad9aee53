"""The manifests are what Kubernetes takes, and say of each service what compose says of it.

No pod runs here: what is checked is what `kustomize build` prints.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from session_stack.layers import engines

type Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
OVERLAYS = ("elsewhere", "try")
ENGINES = [engine for engine in engines("hardened") if engine != "file"]
VERSIONS = ("1.35", "1.36", "1.37")  # those that get patches
TEXT = (ROOT / "docker-compose.yml").read_text()
for _ in ("inner", "outer"):
    TEXT = re.sub(r"\$\{[A-Z_]+:-([^${}]*)\}", r"\1", TEXT)
COMPOSE = yaml.safe_load(TEXT)["services"]
SERVICES = ("nginx", "app", "clearsessions", "migrate", "postgres", "redis")
# What a pod is told otherwise than a container of compose.
OF_PODS = {"APP_HOST", "APP_CPUS", "APP_WORKERS", "DOMAIN", "NAMESPACE"}


def build(folder: Path) -> list[Object]:
    done = subprocess.run(
        ["kustomize", "build", str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""  # it warns of what a later version will refuse
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module", params=OVERLAYS)
def built(request: pytest.FixtureRequest) -> list[Object]:
    return build(ROOT / "deploy/kubernetes/overlays" / request.param)


@pytest.fixture(scope="module")
def whole() -> list[Object]:
    return build(ROOT / "deploy/kubernetes/overlays/try")


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Return the template of each workload's pods, by the name that it gives them."""
    specs = [item["spec"].get("jobTemplate", item)["spec"] for item in objects if "spec" in item]
    templates = [spec["template"] for spec in specs if "template" in spec]
    return {item["metadata"]["labels"]["app.kubernetes.io/name"]: item for item in templates}


def pod(objects: list[Object], name: str) -> tuple[Object, Object]:
    """Return the pod's specification, and its one container's."""
    spec = workloads(objects)[name]["spec"]
    (container,) = spec["containers"]
    return spec, container


def service(name: str, engine: str = "cached_db") -> Object:
    return COMPOSE[f"app-{engine}" if name == "app" else name]  # type: ignore[no-any-return]


def by_name(objects: list[Object], kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def environment(objects: list[Object], name: str) -> dict[str, str]:
    maps = by_name(objects, "ConfigMap")
    container = pod(objects, name)[1]
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        told |= maps[source["configMapRef"]["name"]]["data"]
    return told | {item["name"]: item.get("value", "") for item in container.get("env", [])}


def problem(item: Object, version: str) -> str | None:
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{item['kind']} {item['metadata']['name']}: {error.message}"
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_kubernetes(built: list[Object], version: str) -> None:
    assert [found for item in built if (found := problem(item, version))] == []
    misspelt = next(item for item in built if item["kind"] == "Deployment") | {"speck": {}}
    assert "speck" in (problem(misspelt, version) or "")


def test_the_engine_is_one_word(tmp_path: Path) -> None:
    for folder in ("nginx", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert sorted(path.name for path in (tmp_path / "deploy/kubernetes/engines").iterdir()) == (
        sorted(ENGINES)
    )
    overlay = tmp_path / "deploy/kubernetes/overlays/elsewhere"
    text = (overlay / "kustomization.yaml").read_text()
    assert text.count("engines/cached_db") == 1
    for engine in ENGINES:
        word = text.replace("engines/cached_db", f"engines/{engine}")
        (overlay / "kustomization.yaml").write_text(word)
        told = environment(build(overlay), "app")
        of_compose = service("app", engine)["environment"]
        for name in ("SESSION_BACKEND", "REDIS_PASSWORD_FILE"):
            assert told.get(name) == of_compose.get(name), engine


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_told_what_its_service_is_told(whole: list[Object], name: str) -> None:
    of_compose, told = service(name).get("environment", {}), environment(whole, name)
    said = {key: value for key, value in of_compose.items() if value is not None}  # not by .env
    for key in said.keys() - OF_PODS:
        value = said[key] if isinstance(said[key], str) else json.dumps(said[key])
        assert told.get(key, "") == value.replace("$$", "$"), key
    maps = by_name(whole, "ConfigMap")
    (settings,) = (item["data"] for key, item in maps.items() if key.startswith("settings-"))
    assert told.keys() - of_compose.keys() - settings.keys() <= OF_PODS
    assert said.keys() == of_compose.keys() or settings.keys() < told.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_is_held_to_what_its_service_is_held_to(whole: list[Object], name: str) -> None:
    (spec, container), of_compose = pod(whole, name), service(name)
    image = of_compose["image"].replace(
        COMPOSE["init"]["image"], "registry.example.org/django-session-stack:1"
    )
    assert container["image"] == image
    limits = of_compose["deploy"]["resources"]["limits"]
    cpus, memory = str(limits["cpus"]), limits["memory"]  # Docker's M is 2 ** 20
    assert container["resources"] == {"limits": {"cpu": cpus, "memory": f"{memory}i"}}

    uid, gid = map(int, of_compose.get("user", "10001:10001").split(":"))
    assert spec["securityContext"] == {
        "runAsUser": uid,
        "runAsGroup": gid,
        "fsGroup": gid,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert of_compose["cap_drop"] == ["ALL"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": of_compose["read_only"],
    }
    # Else a Service called redis would set REDIS_PORT.
    assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)

    memory_files = {
        volume["name"]: volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume
    }
    mounted = {
        mount["mountPath"]: memory_files[mount["name"]]
        for mount in container["volumeMounts"]
        if mount["name"] in memory_files
    }
    tmpfs = dict(re.findall(r"^(\S+):size=(\d+)m", "\n".join(of_compose.get("tmpfs", [])), re.M))
    if "shm_size" in of_compose:
        tmpfs["/dev/shm"] = of_compose["shm_size"].rstrip("m")
    assert mounted == {
        path: {"medium": "Memory", "sizeLimit": f"{size}Mi"} for path, size in tmpfs.items()
    }


@pytest.mark.parametrize("name", ["nginx", "app", "postgres", "redis"])
def test_a_pod_is_asked_and_stopped_as_its_service_is(whole: list[Object], name: str) -> None:
    (spec, container), of_compose = pod(whole, name), service(name)
    check = of_compose["healthcheck"]
    ready, asked = container["readinessProbe"], container["readinessProbe"]["exec"]["command"]
    shell = check["test"][0] == "CMD-SHELL"
    command = ["sh", "-c", check["test"][1].replace("$$", "$")] if shell else check["test"][1:]
    if name == "app":  # whose command names the site
        assert asked == ["sh", "-c", f'exec {" ".join(command[:-1])} "$DOMAIN"']
    else:
        assert asked == command
    assert f"{ready['periodSeconds']}s" == check["interval"]
    assert f"{ready['timeoutSeconds']}s" == check["timeout"]
    assert ready["failureThreshold"] == check["retries"]
    wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    grace = int(of_compose["stop_grace_period"].rstrip("s"))
    assert spec["terminationGracePeriodSeconds"] == wait + grace
    if name == "app":  # an outage of a store must not restart it
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["exec"]["command"][-1].endswith(' "$DOMAIN" live')
        assert wait > 30  # seconds, for which CoreDNS may name it still


def test_each_mount_leads_somewhere_and_each_reader_has_its_own_secrets(
    whole: list[Object],
) -> None:
    maps = by_name(whole, "ConfigMap")
    init = "".join(
        (ROOT / "deploy/init" / name).read_text() for name in ("secret_files.py", "volumes.py")
    )
    for name in SERVICES:
        spec, container = pod(whole, name)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for mount in container["volumeMounts"]:
            volume = volumes.get(mount["name"])
            if "configMap" in (volume or {}):
                held = maps[volume["configMap"]["name"]]["data"]  # type: ignore[index]
                assert mount.get("subPath", next(iter(held))) in held
        of_compose = {mount.split(":")[0] for mount in service(name).get("volumes", [])}
        secrets = {v["secret"]["secretName"] for v in volumes.values() if "secret" in v}
        assert secrets == {s for s in of_compose if s.endswith("-secrets") or s == "certificates"}
        assert all(f'"{secret}":' in init for secret in secrets)


def test_every_file_of_nginx_is_mounted(whole: list[Object]) -> None:
    nginx = ROOT / "nginx"
    files = {"nginx": ["nginx.conf"]} | {
        f"nginx-{name}": [path.name for path in (nginx / folder).iterdir()]
        for name, folder in {
            "snippets": "snippets",
            "templates": "templates",
            "html": "html",
            "entrypoint": "entrypoint.d",
        }.items()
    }
    held = {
        re.sub(r"-[0-9a-z]+$", "", name): list(item["data"])
        for name, item in by_name(whole, "ConfigMap").items()
        if name.startswith("nginx-")
    }
    assert {name: sorted(names) for name, names in held.items()} == {
        name: sorted(names) for name, names in files.items()
    }


def flows(objects: list[Object], direction: str) -> set[tuple[str, str, int]]:
    """Return who may reach whom, at which port, as one side's policies say."""
    end = "from" if direction == "ingress" else "to"

    def chosen(selector: Object) -> set[str]:
        labels = selector.get("matchLabels", {}).values()
        expressions = selector.get("matchExpressions", [])
        names = set(labels) | set(chain.from_iterable(item["values"] for item in expressions))
        return names or set(SERVICES)

    def rules() -> Iterator[tuple[str, str, int]]:
        for policy in by_name(objects, "NetworkPolicy").values():
            own = chosen(policy["spec"]["podSelector"])
            for rule in policy["spec"].get(direction, []):
                others: set[str] = set()
                for peer in rule.get(end, [{}]):
                    selected = "podSelector" in peer
                    others |= chosen(peer["podSelector"]) if selected else {"outside"}
                for one, other, port in product(own, others, rule["ports"]):
                    ends = (other, one) if direction == "ingress" else (one, other)
                    yield *ends, port["port"]

    return set(rules())


def test_nobody_reaches_more_than_on_the_networks_of_compose(whole: list[Object]) -> None:
    deny = by_name(whole, "NetworkPolicy")["deny-all"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    clients = ("app", "clearsessions", "migrate")
    ports = {"postgres": 5432, "redis": 6379}
    stores = {(client, store, port) for client in clients for store, port in ports.items()}
    inside = {("nginx", "app", 8000)} | stores
    outgoing = flows(whole, "egress")
    assert {flow for flow in outgoing if flow[1] != "kube-dns"} == inside
    assert {flow[0] for flow in outgoing - inside} == set(SERVICES)  # and each may ask for names
    assert flows(whole, "ingress") == inside | {
        ("outside", "nginx", 8080),
        ("outside", "nginx", 8443),
    }


def test_services_and_budgets_select_pods_and_name_their_ports(built: list[Object]) -> None:
    for item in built:
        if item["kind"] in ("Service", "PodDisruptionBudget"):
            selector = item["spec"]["selector"]
            name = selector.get("matchLabels", selector)["app.kubernetes.io/name"]
            open_ports = {port["containerPort"] for port in pod(built, name)[1]["ports"]}
            for port in item["spec"].get("ports", []):
                assert port.get("targetPort", port["port"]) in open_ports
    clearing = by_name(built, "CronJob")["clearsessions"]["spec"]
    example = (ROOT / ".env.example").read_text()
    assert f"#CLEARSESSIONS_SCHEDULE={clearing['schedule']}\n" in example
    assert (clearing["timeZone"], clearing["concurrencyPolicy"]) == ("Etc/UTC", "Forbid")


def test_each_release_has_a_migration_of_its_own(built: list[Object]) -> None:
    (name,) = by_name(built, "Job")
    image = pod(built, "migrate")[1]["image"]
    assert name == f"migrate-{image.rpartition(':')[2]}"
    assert image == pod(built, "app")[1]["image"] == pod(built, "clearsessions")[1]["image"]
