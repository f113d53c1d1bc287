"""The environment that chat templates are written for, built from jinja2 3.1.6.

It has what Hugging Face's transformers adds to jinja2, and from_json, which
some published templates use.
"""
import json

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes

if tuple(int(part) for part in jinja2.__version__.split(".")[:3]) < (3, 1, 6):
    raise ImportError(f"jinja2 is {jinja2.__version__}, older than 3.1.6")

DATE = "2024-07-26"


class Refused(Exception):
    pass


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    @jinja2.pass_eval_context
    def _body(self, context, caller):
        return caller()


def strftime_now(pattern):
    import datetime
    return datetime.datetime.strptime(DATE, "%Y-%m-%d").strftime(pattern)


def raise_exception(message):
    raise Refused(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                      separators=separators, sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True,
        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def case(env, source, context_text):
    """One test case: what jinja2 makes of the source and the context."""
    result = {"source": source}
    try:
        template = env.from_string(source)
    except (jinja2.TemplateError, SyntaxError):
        result["error"] = "syntax"
        return result
    try:
        result["output"] = template.render(**json.loads(context_text))
    except Refused:
        result["error"] = "refused"
    except Exception:
        result["error"] = "runtime"
    return result
