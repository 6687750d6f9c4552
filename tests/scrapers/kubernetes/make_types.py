#!/usr/bin/env python3
"""Writes types.json, what types.rs holds deploy/kubernetes against.

    python3 make_types.py > types.json

Both sources are packages on PyPI, under the Apache License 2.0: the JSON schemas of Kubernetes in kubernetes-validate, and
the models that cloudcoil generates of the Operator's custom resource definitions. The latter are read as text and not run.
Kept is what a check needs: names, types, what is required, and the limits on values. Not kept, since the models do not
have them, are the rules between fields (x-kubernetes-validations). `status` is left out: a file has none.

Every type is closed: a field that is not listed is unknown. Types that are the same are written once.
"""

import ast
import json
import subprocess
import sys
import tempfile
import zipfile

KUBERNETES = ("kubernetes-validate", "1.37.0")
OPERATOR = ("cloudcoil-models-prometheus-operator", "0.93.1.1")
CORE_KINDS = ["secret-v1", "service-v1", "deployment-apps-v1", "networkpolicy-networking-v1"]
OPERATOR_KINDS = {"v1": ["ServiceMonitor", "PodMonitor", "Prometheus"], "v1alpha1": ["ScrapeConfig"]}


def fetch(package, version, folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version=3.14", f"--dest={folder}", f"{package}=={version}"]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(f"{folder}/{package.replace('-', '_')}-{version}-py3-none-any.whl")


class Types:
    """The types by name. One that is there already under another name gets no second one."""

    def __init__(self):
        self.by_name, self.by_text = {}, {}

    def add(self, name, a_type):
        text = json.dumps(a_type, sort_keys=True)
        if text not in self.by_text:
            assert name not in self.by_name, name
            self.by_text[text], self.by_name[name] = name, a_type
        return {"$ref": self.by_text[text]}


class Kubernetes:
    KEPT = {"type", "properties", "required", "enum", "items", "additionalProperties", "oneOf", "pattern", "minimum",
            "maximum", "minLength", "minItems"}
    DROPPED = {"description", "default", "format", "$schema", "$id"}

    def __init__(self, wheel, types):
        self.folder = f"kubernetes_validate/kubernetes-json-schema/v{KUBERNETES[1]}-local-strict/"
        self.wheel, self.types, self.seen = wheel, types, {}
        self.definitions = self.read("_definitions")["$defs"]

    def read(self, name):
        return json.loads(self.wheel.read(f"{self.folder}{name}.json"))

    def named(self, name):
        # JSONSchemaProps alone refers to itself, and is not reached from here.
        if name not in self.seen:
            self.seen[name] = self.types.add(name.rsplit(".", 1)[1], self.convert(self.definitions[name]))
        return self.seen[name]

    def convert(self, schema):
        if "$ref" in schema:
            return self.named(schema["$ref"].rsplit("/", 1)[1])
        left = {key for key in schema if not key.startswith("x-kubernetes-")} - self.KEPT - self.DROPPED
        assert not left, left
        a_type = {key: schema[key] for key in sorted(self.KEPT) if key in schema}
        if isinstance(a_type.get("type"), list):  # with null, which no file of ours says
            a_type["type"] = next(name for name in a_type["type"] if name != "null")
        if "enum" in a_type:
            a_type["enum"] = [value for value in a_type["enum"] if value is not None]
        if "properties" in a_type:
            fields = sorted(a_type["properties"].items())
            a_type["properties"] = {name: self.convert(field) for name, field in fields if name != "status"}
        if "items" in a_type:
            a_type["items"] = self.convert(a_type["items"])
        if "oneOf" in a_type:
            a_type = {"anyOf": [self.convert(choice) for choice in a_type["oneOf"]]}
        if isinstance(a_type.get("additionalProperties"), dict):
            a_type["additionalProperties"] = self.convert(a_type["additionalProperties"])
        else:
            a_type.pop("additionalProperties", None)
        return a_type

    def kind(self, name):
        schema = self.convert(self.read(name))
        schema["required"] = ["apiVersion", "kind", "metadata"]
        properties = schema["properties"]
        return f"{properties['apiVersion']['enum'][0]} {properties['kind']['enum'][0]}", self.types.add(name, schema)


class Operator:
    SIMPLE = {"str": "string", "int": "integer", "bool": "boolean"}

    def __init__(self, wheel, version, types, metadata):
        text = wheel.read(f"cloudcoil/models/prometheus_operator/{version}.py")
        classes = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
        self.classes = {node.name: node for node in classes}
        self.types, self.seen, self.metadata = types, {}, metadata

    def named(self, name):
        if name not in self.seen:
            node = self.classes[name]
            if ast.unparse(node.bases[0]).startswith("RootModel"):
                (root,) = [field for field in node.body if isinstance(field, ast.AnnAssign)]
                self.seen[name] = self.convert(root.annotation)
            else:
                self.seen[name] = self.types.add(name, self.object(node))
        return self.seen[name]

    def object(self, node):
        properties, required = {}, []
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                name = self.alias(field.annotation) or field.target.id
                if name != "status":
                    properties[name] = self.convert(field.annotation)
                    if field.value is None or name in ("apiVersion", "kind"):
                        required.append(name)
        a_type = {"type": "object", "properties": dict(sorted(properties.items()))}
        return a_type | ({"required": sorted(required)} if required else {})

    @staticmethod
    def limits(annotation):
        if isinstance(annotation, ast.Subscript) and annotation.value.id == "Annotated":
            (call,) = annotation.slice.elts[1:]
            return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        return {}

    def alias(self, annotation):
        return self.limits(annotation).get("alias")

    def convert(self, node):
        match node:
            case ast.Subscript(value=ast.Name(id="Annotated")):
                return self.limited(self.convert(node.slice.elts[0]), self.limits(node))
            case ast.Subscript(value=ast.Name(id="list")):
                return {"type": "array", "items": self.convert(node.slice)}
            case ast.Subscript(value=ast.Name(id="dict")):
                return {"type": "object", "additionalProperties": self.convert(node.slice.elts[1])}
            case ast.Subscript(value=ast.Name(id="Literal")):
                values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                return {"type": "string", "enum": [ast.literal_eval(value) for value in values]}
            case ast.BinOp(op=ast.BitOr()):
                choices = [self.convert(choice) for choice in self.choices(node)]
                return choices[0] if len(choices) == 1 else {"anyOf": choices}
            case ast.Name(id="Any"):
                return {}
            case ast.Name(id="ObjectMeta"):
                return self.metadata
            case ast.Name(id="AwareDatetime"):
                return {"type": "string"}
            case ast.Name(id=name):
                return {"type": self.SIMPLE[name]} if name in self.SIMPLE else self.named(name)
        raise ValueError(ast.unparse(node))

    def choices(self, node):
        if isinstance(node, ast.BinOp):
            return self.choices(node.left) + self.choices(node.right)
        return [] if isinstance(node, ast.Constant) and node.value is None else [node]

    @staticmethod
    def limited(a_type, limits):
        is_array = a_type.get("type") == "array"
        names = {"ge": "minimum", "le": "maximum", "min_length": "minItems" if is_array else "minLength"}
        for key, value in limits.items():
            if key == "pattern" and a_type.get("type") == "string" or key in names:
                a_type = a_type | {names.get(key, key): value}
            else:  # a pattern counts for strings alone
                assert key in ("alias", "pattern"), key
        return a_type


def main():
    types, kinds = Types(), {}
    with tempfile.TemporaryDirectory() as folder:
        kubernetes = Kubernetes(fetch(*KUBERNETES, folder), types)
        kinds.update(kubernetes.kind(name) for name in CORE_KINDS)
        metadata = kubernetes.named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        wheel = fetch(*OPERATOR, folder)
        for version, names in OPERATOR_KINDS.items():
            operator = Operator(wheel, version, types, metadata)
            kinds.update((f"monitoring.coreos.com/{version} {name}", operator.named(name)) for name in names)
    sources = ", ".join(f"{package} {version}" for package, version in (KUBERNETES, OPERATOR))
    line = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    lines = lambda pairs: ",\n".join(f"{line(name)}:{line(value)}" for name, value in sorted(pairs.items()))
    print(f'{{"made by make_types.py of":{line(sources)},')
    print(f'"kinds":{{\n{lines(kinds)}\n}},')
    print(f'"types":{{\n{lines(types.by_name)}\n}}}}')


main()
