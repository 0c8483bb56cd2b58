#!/usr/bin/env python3
"""Makes flag files, has them edited, and reads them as other programs do.

    flag_readers.py SEED CASES     (driven by src/backend/flag_text/readers_tests.rs: a request a line out, an answer a line in)

What must hold of each edit that is made, for python3's json, tomllib and yaml, and for bash:
- what the editor says stands at the key is what the reader finds there;
- after an edit the reader finds the new value at the key, and everything else as it was;
- the way back gives the very bytes.
An edit may be refused; how many are is printed, so that refusing everything cannot pass.
"""
import json, os, random, re, subprocess, sys, tempfile, tomllib
import yaml

ABSENT = object()

# ---- readers: a tree of ("map", [(key, tree)]) | ("list", [tree]) | (type, value)

def strip_comments(text):
    """JSON with comments and trailing commas as JSON."""
    out, i = [], 0
    while i < len(text):
        m = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|.', re.S).match(text, i)
        part = m.group()
        out.append(part if not part.startswith(("//", "/*")) else " ")
        i = m.end()
    bare = "".join(out)
    # a comma before a closing bracket, outside of strings
    parts = re.split(r'("(?:[^"\\]|\\.)*")', bare)
    joined = "\0".join(p for p in parts[::2])
    joined = re.sub(r",(\s*[}\]])", r"\1", joined)
    rest = joined.split("\0")
    return "".join(a + b for a, b in zip(rest, parts[1::2] + [""]))

def plain(v):
    if isinstance(v, dict): return ("map", [(k, plain(x)) for k, x in v.items()])
    if isinstance(v, list): return ("list", [plain(x) for x in v])
    return (type(v).__name__, repr(v))

def pairs(items):
    return ("map", items)

def wrap(v):
    if isinstance(v, tuple) and v and v[0] == "map": return ("map", [(k, wrap(x)) for k, x in v[1]])
    if isinstance(v, list): return ("list", [wrap(x) for x in v])
    return (type(v).__name__, repr(v))

def read_json(text):
    return wrap(json.loads(strip_comments(text), object_pairs_hook=pairs))

def read_toml(text):
    return plain(tomllib.loads(text))

def read_yaml(text):
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    yaml.safe_load(text)
    seen = set()
    def tree(n):
        if n is None or n is node and n.tag.endswith(":null"): return ("map", [])
        if isinstance(n, yaml.MappingNode):
            return ("map", [(k.value if isinstance(k, yaml.ScalarNode) else repr(tree(k)), tree(v)) for k, v in n.value])
        if isinstance(n, yaml.SequenceNode):
            return ("list", [tree(x) for x in n.value])
        return (n.tag.split(":")[-1], n.value)
    return tree(node)

def read_env(text):
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/f.env", "w", newline="") as f: f.write(text)
        done = subprocess.run(["env", "-i", "PATH=/nonexistent", "/bin/bash", "--norc", "-c", "set -a; . ./f.env; /usr/bin/env -0"],
                              cwd=folder, capture_output=True, timeout=20)
        if os.listdir(folder) != ["f.env"]: raise ValueError("it wrote files")
        if b"syntax error" in done.stderr or b"unexpected EOF" in done.stderr: raise ValueError(done.stderr)
        vars = [v.decode("utf-8", "replace").partition("=") for v in done.stdout.split(b"\0") if v]
        return ("map", sorted((k, ("str", v)) for k, _, v in vars if k not in ("PATH", "PWD", "SHLVL", "_", "OLDPWD")))

READ = {"json_file": read_json, "yaml_file": read_yaml, "toml_file": read_toml, "env_file": read_env}

def at(tree, parts):
    for p in parts:
        if tree[0] != "map": return ABSENT
        same = [v for k, v in tree[1] if k == p]
        if not same: return ABSENT
        tree = same[-1]
    return tree

def replaced(tree, parts, value):
    """The tree with a value at a place, as a dict-like comparison form (order of keys kept out)."""
    if not parts: return value
    if tree is None or tree[0] != "map": tree = ("map", [])
    items = list(tree[1])
    for i, (k, v) in enumerate(items):
        if k == parts[0]:
            new = replaced(v, parts[1:], value)
            if new is ABSENT: del items[i]
            else: items[i] = (k, new)
            return ("map", items)
    new = replaced(None, parts[1:], value)
    if new is not ABSENT: items.append((parts[0], new))
    return ("map", items)

def canon(tree):
    if tree[0] == "map": return ("map", sorted((k, canon(v)) for k, v in tree[1]))
    if tree[0] == "list": return ("list", [canon(v) for v in tree[1]])
    return tree

# ---- files

def unescape(key): return [p.replace("~1", "/").replace("~0", "~") for p in key.split("/")]

YAML = [
    "on: false", "on: no # c", "on:   Off", '"on": false', "'on': true", "? on\n: false", "on:\n  false", "on: !!bool false", "on: &a false",
    "'o n': false", "on : false", "on: 10", "on: 50.0 # c", "on: \"10\"", "on: tr\n  ue", "on: 1_0", "on: 010", "on: 0o7", "on: 1:30", "on: +5", "on: -3",
    "on: 2026-01-01", "on: ~", "on:", "on: # c", "on: |\n  false", "on: >-\n  false", "on: [false]", "on: {x: false}", "on:\n- a", "on: 0x1F", "on: .5", "on: 1e1", "on: 5.",
    "deep:\n  z: 1\n  on: false", "deep:\n  z: 1 # c\n  # below\n", "deep:\n    # above\n    on: false # c\n\n    # below\n    y: 2", "deep: {}", "deep: { }", "deep:", "deep: # c",
    "deep: {on: false}", "deep: {z: 1, on: false, y: 2}", "deep: {\n  z: 1, # c\n  on: false # d\n}", "deep: {\n  # c\n}", "deep: {\n  z: 1,\n  on: false,\n}", "deep: {z: 1,}",
    "deep: {z: , y: 1}", "deep: {z}", "deep: {\"on\":false}", "deep: {'on' : false}", "deep:\n  - on: false", "deep: &x\n  z: 1", "deep: *base", "deep:\n  <<: *base\n  z: 1", "deep:\n  <<: *base\n  on: true",
    "deep:\n  t: |\n    text\n    on: true\n", "deep:\n  t: |+\n    text\n\n", "deep:\n  t: >-\n    text\n\n    more\n", "deep:\n  t: \"a\n    b\"", "deep:\n  t: a\n    b\n    c", "deep:\n  t: a # c", "deep:\n  t: 'it''s # no'",
    "deep:\n  t: [1,\n    2] # c", "deep:\n  - a\n  - b", "deep:\n- a\n- b: 1\n  c: 2", "deep:\n  z:\n    y:\n      x: 1", "deep:\n  z:\n  - 1\n  - 2", "deep:\n  z:\n", "deep:\n  z: &n\n", "deep:\n\n  z: 1\n\n\n",
    "deep:\n  z: 1\n# at 0\n  on: false", "deep:\n  on:\n    false # c", "deep: # c\n  # d\n  z: 1", "deep: !!map\n  z: 1", "deep:\n  ? z\n  : 1", "deep:\n  ? [a, b]\n  : 1", "deep: \n  z: 1\t", "deep:\n  z: 'multi\n\n    line'",
    "deep:\n  z: 1\n...", "deep:\n  ? on\n  : false\n  y: 1", "deep:\n  ü: ä # ß\n  on: false", "deep: {ü: ä, 😀: false}", "deep:\n  \"a\\\"b\": 1\n  'c''d': 2",
    "base: &base\n  b: 1", "base: &base {on: false}", "x: 1", "y: [1, {z: 2}]", "# comment", "  # indented comment", "", "1: true", "'1': true", "2026-01-01: false", "null: 1", "~: false", "true: 1", "yes: false", "\"yes\": false",
    "lit: |\n  a: 1\n   b\n  c", "lit: |2\n    x\n  y", "lit: |\n  last", "str: \"a\\\n  b\"", "u: \"\\u00e4 \\x41\"", "k: 'a: b'", "url: http://a/b#c", "neg: -1", "long: this is\n  a long\n  text", "empty: ''", "t: a\tb", "nel: \"a\x85b\"", "😀: true",
]
YAML_KEYS = ["on", "deep/on", "deep/z", "deep/z/y/on", "deep/t", "deep", "new", "new/a", "1", "yes", "null", "~0", "deep/a\"b", "deep/ü", "deep/😀", "deep/1", "deep/yes", "deep/2026-01-01", "deep/a b", "deep/a: b", "deep/#c", "deep/-", "deep/new/er", "o n", "😀", "deep/on/x", "2026-01-01", "deep/<<", "deep/=", "=", "deep/\\", "deep/0x1F", "deep/é\u2028x", "deep/a~1b"]

TOML = [
    "on = false", "on=false#c", "on = 10 # c", "on = 50.0", "on = 1_000", "on = +5", "on = 0x1F", "on = 1e2", "on = \"x\"", "\"on\" = false", "'on' = false", "on.x = 1", "on = [1]", "on = {x = 1}", "on = 1979-05-27", "on = inf", "on = true\t",
    "x = 1", "  y = 2", "# comment", "", "s = \"\"\"\na = 1\n[deep]\non = true\n\"\"\"", "l = '''\nit's\non = 1'''", "a = [\n 1, # c\n 2,\n]", "i = { x = 1, y = { z = 2 } }", "i2 = {}", "i3 = { }", "d.o.t = 2", "d.o.n = 3", "\"quoted.key\" = 1", "'a b'.c = 1",
    "[deep]", "[deep]\nz = 1", "[deep] # c\non = false", "  [deep]\n  z = 1\n  on = false # c\n\n# below", "[deep.er]", "[deep.er]\nx = 1", "[deep.er.most]\nx = 1", "[[list]]", "[[list]]\nx = 1\non = true", "[[list.sub]]\ny = 1", "[[deep.list]]\nx = 1", "[list.tab]\nz = 1",
    "[ deep . \"x y\" ]\nk = 1", "[other]", "[other]\ndeep.on = false", "[e]\n\n\n", "# about z\n[z]\nz = 1", "[deep]\nd.o = 1", "[deep]\ni = { x = 1 }", "[deep]\ni.x = 1\ni.y = 2", "[deep]\ns = '''\nx'''", "[deep]\na = [\n  { x = 1 },\n  { x = 2 },\n]", "[\"de\\u0065p\"]\nu = 1", "ü = 1",
    "\"ü\" = 'ä'", "[deep]\n\"on\" = false", "[deep.'er']\n'n' = true", "esc = \"a\\\"b # c\"", "last = 1", "date = 2026-01-01T00:00:00Z", "f = -0.0", "a2 = [ [1, 2], [\"a\", ] ]", "[i4]\nx = { a = 1 , b = 2 }", "deep = { on = false }", "deep.x = 1", "deep.er.x = 1",
]
TOML_KEYS = ["on", "deep/on", "deep/er/on", "deep/er/most/on", "deep/new/er", "deep/i/on", "i/on", "i/y/on", "i2/on", "i3/on", "i3/a/b", "d/o/on", "d/on", "list/on", "other/deep/on", "other/on", "e/on", "z/on", "new", "new/a", "quoted.key", "a b/c", "a b/d", "deep/x y/on", "ü", "deep/ü", "deep/a b", "deep/\"", "i4/x/on", "i4/x/b", "i/x", "i/y/z", "d/o/t", "deep/i/x", "deep/\\", "deep/a\u0001b", "deep/1", "list/tab/on", "deep/list/on", "deep/é"]

ENV = [
    "ON=false", "export ON=false", "ON=false # c", "ON='no'", 'ON="Off" # c', "ON=10", "ON=\"50.0\"", "ON=", "ON=''", "ON=$X", 'ON="$X"', "ON=\"a b\"", "ON= false", "ON =false", "ON=false;", "ON=fal\\\nse", "ON=\"fal\\\nse\"", "ON='fal\nse'", "ON=false\\", "ON='fal'se", "ON=fal\"se\"", "ON=f\\alse",
    "ON=`x`", "ON=$(x)", "ON=false#c", "  ON=false", "export  ON=false", "\tON=false", "ON=false\t# c", "#ON=true", "# ON=true", "ON=false & X=2", "ON=false X=2", "export X=1 ON=true", "export X=1 ON=true Y=2", "X=1 ON=true", "ON=0", "ON='1'", "ON=010", "ON=*", "ON=\\1", "ON=\"\\1\"", "ON=1|2",
    "X=1", "X=", "X='a b'", "X=\"it's # no\"", "X='say \"x\"'", "X='multi\nON=true\n'", "X=\"multi\nON=true\n\"", "X=\"a\\\"b\"", "X=\"a\\\\\"", "X='a\\'", "X=a\\'b", "X=a\\\nON=true", "X=a\\\\", "X=it\\'s", "X=a'b'c", "X=a'\nON=true\n'", "X=\"a\"'b\nON=true'", 
    "# it's a comment", "# say \"x", "", "Y=äöü", "Y=2 # it's", "Y=2#it", "Y=\"\"", "export Y=2", "Z_1=3", "Y=a#'b", "Y=a #'b", "Y=\\#", "Y='a' # 'b'", "Y=a\\ b", "Y=a\\", "Y=\"$X\"", "true", "plain", "Y=\"\\\\\\\"\"", ":;", "Y='\\''",
]
ENV_KEYS = ["ON", "ON", "ON", "X", "Y", "NEW"]

def json_text(r):
    def comment(): return r.choice(["", "", "", " // c }", " /* c , */", "\n // \"on\": true\n", " /* \n */ "])
    def ws(): return r.choice(["", " ", " ", "\n", "\n\t", "\r\n  ", "\n\n  "]) + comment() + r.choice(["", " ", "\n"])
    def key(): return r.choice(['"on"', '"x"', '"y"', '"deep"', '"o\\u006e"', '"a/b"', '"a\\"b"', '""', '"ü"', '"😀"', '"\\ud83d\\ude00"', '"{"', '"//"', '"~"', '"deep"', '"e"'])
    def scalar(): return r.choice(["true", "false", "null", "0", "1", "10", "50.0", "-3", "1e2", "1E+2", '"x"', '"// no"', '"a\\"b"', '"/* no"', "[]", "[1, 2]", "[{\"on\": true}]", "100.5", "0.5", "-0"])
    def obj(d):
        n = r.choice([0, 1, 1, 2, 3])
        out, seen = "{", set()
        items = []
        for _ in range(n):
            k = key()
            if k in seen and r.random() < .9: continue
            seen.add(k)
            v = obj(d + 1) if d < 3 and (k in ('"deep"', '"e"') or r.random() < .15) else scalar()
            items.append(ws() + k + r.choice(["", " "]) + ":" + r.choice(["", " ", " ", ws()]) + v)
        out += (ws() + ",").join(items) if r.random() < .3 else ",".join(items)
        if items and r.random() < .15: out += ws() + ","
        return out + ws() + "}"
    return ws() + obj(0) + ws()

JSON_KEYS = ["on", "deep/on", "deep/deep/on", "e/on", "e/new/er", "new", "new/a/b", "x", "y", "a~1b", "a\"b", "ü", "😀", "{", "~1~1", "~0", "deep/new", "deep/{", "deep/x", "deep/\\", "deep/a\u0001b"]

def lines_text(r, blocks, head=()):
    n = r.choice([0, 1, 2, 2, 3, 3, 4, 5, 6])
    parts = [r.choice(blocks) for _ in range(n)]
    text = "\n".join(parts)
    if head and r.random() < .15: text = r.choice(head) + text
    if r.random() < .75 and text: text += "\n"
    # what a backslash before "\r\n" means is each reader's own matter
    if r.random() < .2 and "\\\n" not in text: text = text.replace("\n", "\r\n")
    return text

def indented(r, text):
    return "\n".join("  " + l if l.strip() else l for l in text.split("\n"))

def make(r, format):
    if format == "json_file": return json_text(r), r.choice(JSON_KEYS)
    if format == "yaml_file":
        t = lines_text(r, YAML, ["---\n", "%YAML 1.2\n---\n", "--- # c\n", "# c\n---\n", "\n", "--- \n", "%TAG ! tag:x,2000:\n---\n"])
        if r.random() < .1: t += r.choice(["...\n", "---\n", "...\n# c\n", "# end"])
        if r.random() < .12: t = "top:\n" + indented(r, t); return t, "top/" + r.choice(YAML_KEYS)
        if r.random() < .05: t = "- " + t
        return t, r.choice(YAML_KEYS)
    if format == "toml_file": return lines_text(r, TOML), r.choice(TOML_KEYS)
    return lines_text(r, ENV), r.choice(ENV_KEYS)

# ---- the laws

class Broken(Exception): pass

def number(tree):
    """A leaf as the reader understands it: a bool, a number, else None."""
    t, v = tree
    if t == "bool": return v.lower() in ("true", "yes", "on")
    if t in ("int", "float"):
        try: return float(yaml.safe_load(v)) if not isinstance(v, float) else v
        except Exception: return None
    return None

def check(format, text, key, value, a):
    parts = [key] if format == "env_file" else unescape(key)
    read = READ[format]
    try: before = read(text)
    except Exception as e: before = None
    if "error" in a: return "refused"
    if before is None:
        return "unread"
    here = at(before, parts)
    if not a["there"] and here is not ABSENT: raise Broken(f"said to be absent, a reader finds {here}")
    known = a["bool"] or a["count"] or a["ratio"]
    if a["there"] and here is ABSENT and (known or format != "env_file"): raise Broken("said to be there, a reader finds nothing")
    if format != "env_file":
        if a["bool"] is not None and (here[0] != "bool" or number(here) != (a["bool"] == "on")): raise Broken(f"read as {a['bool']}, a reader finds {here}")
        if a["count"] is not None and (here[0] not in ("int",) or number(here) != float(a["count"])): raise Broken(f"read as {a['count']}, a reader finds {here}")
        if a["ratio"] is not None and (here[0] not in ("int", "float") or abs(number(here) - float(a["ratio"].rstrip("%"))) > 1e-9): raise Broken(f"read as {a['ratio']}, a reader finds {here}")
    else:
        v = here[1] if here is not ABSENT else None
        v = v.rstrip("\r") if v and "\r\n" in text else v
        words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
        if a["bool"] is not None and words.get((v or "").lower()) != (a["bool"] == "on"): raise Broken(f"read as {a['bool']}, bash finds {v!r}")
        if a["count"] is not None and float(v) != float(a["count"]): raise Broken(f"read as {a['count']}, bash finds {v!r}")
    for which, new in (("with", value), ("without", None)):
        made = a[which]
        if "error" in made: continue
        # over a value of another type only what stood there before is ever put back
        if a["there"] and not known: continue
        after_text = made["text"]
        try: after = read(after_text)
        except Exception as e: raise Broken(f"{which}: no reader reads {after_text!r}: {e}")
        leaf = {"json_file": ("bool", "True"), "toml_file": ("bool", "True")}.get(format, ("bool", value))
        if format == "env_file": leaf = ("str", value + ("\r" if "\r\n" in text else ""))
        want = replaced(before, parts, leaf if new is not None else ABSENT)
        got = after
        if which == "without":
            # what held our key alone may be left empty, or a key without a value
            def pruned(t):
                if t[0] == "map": return ("map", [(k, p) for k, v in t[1] for p in [pruned(v)] if p not in (("map", []), ("null", ""))])
                if t[0] == "list": return ("list", [pruned(v) for v in t[1]])
                return t
            want, got = pruned(want), pruned(got)
        if format == "env_file":
            fix = lambda t: ("map", [(k, (s, v.rstrip("\r"))) for k, (s, v) in t[1]])
            want, got = fix(want), fix(got)
        if canon(want) != canon(got): raise Broken(f"{which}: {after_text!r}\n  reads {canon(got)}\n  meant {canon(want)}")
        # no comment is lost; one behind a value goes with its line
        if format != "env_file" and which == "with":
            for c in re.findall(r"(?:#|//|/\*) ?(?:c|d|below|above)\b", text):
                if after_text.count(c) < text.count(c): raise Broken(f"{which}: a comment is lost: {after_text!r}")
    if a["back"] is not None and (a["scalar"] is not None or not a["there"]) and a["back"] != text:
        raise Broken(f"back: {a['with']} -> {a['back']!r}")
    return "edited" if "text" in a["with"] else "kept"

def main():
    seed, cases = int(sys.argv[1]), int(sys.argv[2])
    r = random.Random(seed)
    broken, told = 0, {}
    for n in range(cases):
        for format in READ:
            if format == "env_file" and n % 4 and cases > 400 and not os.environ.get("ALL_ENV"): continue
            text, key = make(r, format)
            asked = {"format": format, "text": text, "key": key, "value": "true"}
            print(json.dumps(asked), flush=True)
            a = json.loads(sys.stdin.readline())
            try: came = check(format, text, key, "true", a)
            except Broken as e:
                broken += 1
                came = "broken"
                if broken <= int(os.environ.get("SHOW", 5)):
                    print(f"{format} {key!r} in {text!r}\n  {e}", file=sys.stderr)
            told[(format, came)] = told.get((format, came), 0) + 1
    print(f"seed {seed}: " + ", ".join(f"{f} {c} {n}" for (f, c), n in sorted(told.items())), file=sys.stderr)
    for format in READ:
        if not told.get((format, "edited")): sys.exit(f"no {format} was edited")
    sys.exit(1 if broken else 0)

main()
