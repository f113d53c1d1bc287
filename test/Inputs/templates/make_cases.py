"""Writes cases.json: small templates and what jinja2 makes of them.

  python3 test/Inputs/templates/make_cases.py
needs jinja2 3.1.6 or newer (pip install 'jinja2>=3.1.6').
"""
import json
import os

from environment import case, environment

CONTEXT = {
    "s": "Hello World", "e": "", "n": 7, "neg": -7, "f": 2.5, "t": True, "no": None,
    "big": 12345678901234567890123, "uni": "Grüße, 世界 😀 'q' \"d\"\n\tÿ\u200b",
    "l": [3, 1, 2], "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "d": {"b": 1, "a": {"x": [1, 2]}, "items": "key named items"},
    "msgs": [{"role": "system", "content": "S"}, {"role": "user", "content": " U "},
             {"role": "assistant", "content": "A", "tool_calls": []}],
    "names": ["bob", "Alice", "carol", "Bob"],
    "lines": "one\n\n  two\r\nthree",
}

EXPRESSIONS = """
1 + 2 * 3 ** 2
-7 // 2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7 / 2
6 / 3
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
1_000 + 0x1F + 0b101 + 0o17
1e3
1.5e-7
1e16
123456789012345680.0
1e22
0.1 + 0.2
1.0
100000.0
-0.0
true and 'a'
0 or 'b'
not 1
not none
1 < 2 < 3
1 < 3 < 2
1 == 1.0
true == 1
'a' in 'abc'
'd' not in 'abc'
2 in l
'b' in d
5 in (1, 5)
'x' ~ 1 ~ none ~ true ~ 2.5
'a' 'b'
"it's"
['it\\'s', "q\\"", 'both\\'"']
'\\x41\\u00e9\\n\\t\\\\'
'a' * 3
[1, 2] * 2
[1] + [2]
(1, 2) + (3,)
'a' + 'b'
'a' + 1
1 + none
none
True
[none, true, false, 1.0, 'x', (1,), (), {}]
{'a': 1, 'b': [1, 2], 3: 'c', none: 1}
{'a': 1, 'a': 2}
(1, 2)
(1)
()
1, 2
s[0]
s[-1]
s[100]
s[1:4]
s[::-1]
s[-3:]
s[:-3]
s[10:2:-2]
l[1]
l[-1]
l[5]
l[0:2]
l[::-1]
l[5:]
l.0
d['b']
d.b
d['items']
d.items()
d.items() | list
d.keys() | list
d.values() | list
d.get('b')
d.get('zz')
d.get('zz', 5)
d.a.x[1]
d.zz
d.zz.y
d['zz']['y']
undefinedname
undefinedname.x
undefinedname + 1
undefinedname | default('dflt')
undefinedname | length
undefinedname == none
undefinedname is defined
e | default('x')
e | default('x', true)
e | d('x', boolean=True)
s if t else 'no'
'yes' if e
('yes' if e) is undefined
'a' if e else 'b' if no else 'c'
s | upper
s | lower
s | length
s | reverse
s | title
s | capitalize
s | replace('o', '0')
s | replace('o', '0', 1)
s | replace('l', 'LL', count=1)
'  x ' | trim
'xxaxx' | trim('x')
s | list
l | sort
l | sort(reverse=true)
names | sort
names | sort(case_sensitive=true)
msgs | sort(attribute='role') | map(attribute='role') | join(',')
l | sum
l | min
l | max
l | first
l | last
e | first
[] | last
l | join
l | join(', ')
msgs | join('|', attribute='role')
mixed | string
mixed
l | length
d | length
d | dictsort
d | items | list
names | unique | list
names | map('upper') | list
names | map('replace', 'b', 'X') | list
msgs | map(attribute='content') | list
msgs | map(attribute='zz', default='D') | list
msgs | selectattr('role', 'equalto', 'user') | list | length
msgs | selectattr('tool_calls', 'defined') | map(attribute='role') | list
msgs | rejectattr('role', 'in', ['user', 'system']) | map(attribute='role') | list
msgs | selectattr('tool_calls') | list
mixed | select('string') | list
mixed | reject('none') | list
[0, 1, '', 'a'] | select | list
l | batch(2) | list
l | batch(2, 'x') | list
[1,2,3,4,5] | slice(2) | list
[1,2,3,4,5] | slice(3, 'f') | list
msgs | groupby('role') | map('first') | list
n | abs
neg | abs
'42' | int
' 42 ' | int
'x' | int
'x' | int(5)
'0x1F' | int(base=16)
'3.7' | int
3.7 | int
'2.5' | float
'x' | float
'1e3' | float
2.567 | round
2.567 | round(2)
2.5 | round
3.5 | round
42 | round
2.1 | round(method='ceil')
2.9 | round(0, 'floor')
2.675 | round(2)
'%s-%d' | format('a', 3)
'%(a)s' | format(a=1)
'%s is %d years and %.2f' % ('Bob', 42, 1.5)
'%5d|%-5d|%05d|%+d' % (42, 42, 42, 42)
'%x %X %o %e %g %r %c %%' % (255, 255, 8, 12345.678, 0.0001, 'a', 65)
'%s' % s
'%s %s' % 'a'
'%10s|%-10s|%.3s' % ('abc', 'abc', 'abcdef')
'{} {}'.format(1, 'a')
'{1} {0}'.format(1, 'a')
'{a} {b[x]} {c.b}'.format(a=1, b={'x': 2}, c=d)
'{:>8}|{:<8}|{:^8}|{:*^9}'.format('ab', 'cd', 'ef', 'gh')
'{:05d} {:,} {:+.2f} {:x} {:#x} {:.1%}'.format(42, 1234567, 3.14159, 255, 255, 0.256)
'{!r} {{}}'.format('a')
'{:8.3}|{:8}'.format('abcdef', 42)
'{} {}'.format(1)
'abc' | indent
lines | indent(2)
lines | indent(2, true)
lines | indent(2, first=true, blank=true)
lines | indent('>>')
lines.splitlines()
lines.splitlines(true)
lines | wordcount
'a b c d e f' | truncate(7)
'a b c d e f g h' | truncate(9, true, '..', 0)
'x' | center(9)
'<a href="x">\\'&' | escape
'<b>' | safe
'a b/c?d=ü' | urlencode
d | tojson
mixed | tojson
uni | tojson
uni | tojson(ensure_ascii=true)
d | tojson(indent=2)
d | tojson(indent=0)
d | tojson(sort_keys=true)
d | tojson(separators=(',', ':'))
d | tojson(indent=4, separators=(',', ': '), sort_keys=true)
[] | tojson(indent=2)
{} | tojson(indent=2)
{'a': [], 'b': {}} | tojson(indent=1)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
(1, 2) | tojson
1.0 | tojson
1e100 | tojson
1e-7 | tojson
big | tojson
big
undefinedname | tojson
d.items() | tojson
'{"a": [1, 2.50, "x"]}' | from_json
uni
[uni]
s | string
n | string | length
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
' a  b '.split()
' a  b c'.split(none, 1)
'a,b,,c'.rsplit(',', 1)
' a b c '.rsplit(none, 1)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('x')
'abc'.split('')
'  x '.strip()
'xxaxx'.strip('x')
'xyaxy'.lstrip('xy')
'xyaxy'.rstrip('yx')
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.endswith('bc')
'abc'.startswith('b', 1)
'abc'.find('c')
'abc'.find('x')
'abcabc'.rfind('b')
'abcabc'.index('b', 2)
'abc'.index('x')
'aaa'.count('a')
'aaa'.count('aa')
'abc'.count('')
'aXb'.replace('X', '--')
'aaa'.replace('a', 'b', 2)
'ab'.replace('', '-')
'abc'.upper()
'straße'.upper()
'ABC'.lower()
'hello world'.title()
"they're bill's".title()
'hELLO'.capitalize()
'aBc'.swapcase()
', '.join(['a', 'b'])
', '.join([1])
'ab'.center(7, '*')
'abc'.center(6)
'ab'.ljust(5) ~ '|'
'ab'.rjust(5)
'-42'.zfill(6)
'123'.isdigit()
'12a'.isdigit()
'abc'.isalpha()
'ab1'.isalnum()
' \\t'.isspace()
'ABC'.isupper()
'abc1'.islower()
'Title Case'.istitle()
'a\\tb'.expandtabs(4)
'TestHook'.removeprefix('Test')
'MiscTests'.removesuffix('Tests')
l.append(4)
l.pop()
d.pop('b')
d.update({'x': 1})
d.copy()
l.index(1)
l.count(1)
l.index(99)
range(5) | list
range(2, 10, 3) | list
range(5, 0, -2) | list
range(3)
range(0)
range(1, 2, 0)
range(200000) | list
dict(a=1, b=2)
namespace(a=1).a
namespace(a=1).b
s is string
n is number
t is number
t is boolean
n is integer
t is integer
f is float
no is none
d is mapping
l is sequence
d is sequence
s is sequence
l is iterable
n is iterable
s is iterable
n is odd
n is even
n is divisibleby 7
n is divisibleby(3)
l is sameas l
none is sameas none
true is sameas true
s is eq 'x'
n is gt 3
n is lt 3
n is in l
n is not in l
1 is in [1]
'a' is lower
'A' is upper
range is callable
s is not defined
undefinedname is not defined
t is true
t is false
1 is true
'upper' is filter
'odd' is test
n is ge(7) and n is le(7)
1 is string or 2 is number
l == [3, 1, 2]
d == {'b': 1}
'a' < 'b'
[1, 2] < [1, 3]
'a' < 1
none < 1
(1, 2) == [1, 2]
[1, 2, 3][1:]
'abc'[1]
'abc'['x']
[1,2]['a']
n()
s.nomethod()
s|upper|lower|title
-1|abs
(-1)|abs
not s == 'x'
{'a': 1}.a
{'a': {'b': 2}}['a']['b']
[[1, 2], [3]] | map('sum') | list
[{'a': {'b': 1}}] | map(attribute='a.b') | list
[[1, 2]] | map(attribute=1) | list
'abc' | map('upper') | list
{'a': 1} | map('upper') | list
s.__class__
[].__class__
s.split(' ')[-1].split('o')[0].lower().strip()
1 if false
[1, 2,]
{'a': 1,}
5 // 0
5 % 0
5 / 0
9223372036854775807
-9223372036854775808
'<b>' | safe | string
'<b>' | safe + '<i>'
('<b>' | safe) + '<i>'
'<i>' + ('<b>' | safe)
('<b>' | safe) + ('<i>' | safe)
('<b>' | safe) + 1
('<b>' | safe) ~ '<i>'
(('<b>' | safe) ~ '<i>') + '<'
('<' | safe) * 2 + '<'
2 * ('<' | safe) + '<'
('%s&%s' | safe) % ('<', '<' | safe)
('%s' | safe) % '<'
('%s' | safe) % ['<']
('%s' | safe) % {'a': '<'}
('%(a)s %(b)r' | safe) % {'a': '<', 'b': "'"}
('%r|%5s|%-5s|%.3s' | safe) % ('<', '<', '<', '<')
('%d|%5.1f|%i' | safe) % (3, 2.25, 7.9)
('%x' | safe) % 255
('%c' | safe) % 'a'
('%*d' | safe) % (3, 4)
('a' | safe) % 1
'%s' % ('<' | safe)
'%r' % ('<' | safe)
['<' | safe, '<']
{'k': '<' | safe}
'%s<' | safe | format('<', 1)
'%s<' | safe | format('<')
('{}|{a}|{!r}|{:>3}' | safe).format('<', '<', 3, a='<' | safe)
'{} {0}'.format(1)
'{0} {}'.format(1)
('{:>3}' | safe).format('<' | safe)
('{!s}' | safe).format('<' | safe)
'{}'.format('<' | safe) + '<'
('<' | safe).join(['&', '&' | safe, 1])
'<'.join(['&' | safe, '&'])
['&', '&' | safe] | join('<' | safe)
('a<a' | safe).replace('<', '>')
('a<a' | safe) | replace('<', '>')
(('a<a' | safe) | replace('<', '>')) is escaped
('a' | safe).center(5, '*')
('a' | safe).ljust(5, '<')
('a<b' | safe).split('<')
('a<b' | safe).partition('<')
('a\n<' | safe).splitlines()
(' <a ' | safe | trim) + '<'
('<a' | safe | upper) + '<'
('<a' | safe | lower) + '<'
('<a' | safe | capitalize) + '<'
('<a' | safe | title) + '<'
('<a' | safe | center(6)) + '<'
('<a' | safe | reverse) + '<'
('<a\n&' | safe | indent(2, true)) + '<'
('<a b c d e f g' | safe | truncate(6, end='<', leeway=0)) + '<'
('<a b c d e f g' | truncate(6, end='<' | safe, leeway=0)) + '<'
('<a' | safe | first) + '<'
('<a' | safe | last) + '<'
('<a' | safe)[0] + '<'
('<a' | safe)[:1] + '<'
('<a' | safe | list)
'<' | safe is escaped
'<' | escape is escaped
'<' is escaped
'<' | escape | escape
'<' | e | forceescape
'<' | forceescape
5 | safe
none | safe ~ '<'
undefinedname | safe
('<a href="x">\'&' | escape) + "<"
'<' | safe | tojson
'<' | safe | length
('<' | safe) == '<'
('<' | safe) in ['<']
{'<': 1}['<' | safe]
('<' | safe) is string
('<' | safe).nomethod()
('1' | safe | int) + 1
strftime_now('%d %b %Y')
strftime_now('%A, %B %-d, %Y %j %y %H:%M')
raise_exception('no')
[1, 2] | random_filter
n is some_test
""".strip("\n").split("\n")

TEMPLATES = [
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "  {% if t %}  x  {% endif %}  \n y", "{%- if t -%} \n x \n {%- endif -%} z",
    "a {{- ' b ' -}} c", "a\n  {%+ if t %}x{% endif %}", "a\n {% if t +%}\nx{% endif %}\n\n",
    "x\n    {# comment #}\n  y", "x {#- c -#} y", "a{# {{ bad #}b", "{% raw %}{{ x }}{% if %}{% endraw %}",
    "  {%- raw -%}  {{ x }}  {%- endraw -%}  y", "a\n  {% raw %}\n  b\n  {% endraw %}\n c", "{{ '{{' }}{{ '%}' }}", "\r\na\rb\r\n", "a\n\n",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}", "{% for i in l %}{{ loop.cycle('a','b') }}{% endfor %}",
    "{% for i in [1,1,2] %}{{ loop.changed(i) }}{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }} {% else %}no{% endfor %}", "{% for i in l if i > 9 %}{{ i }}{% else %}no{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in s %}{{ c }}.{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for i in range(10) %}{% if i == 3 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l recursive %}{{ i }}{% endfor %}",
    "{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ n.v }}@{{ loop.depth }}{{ loop.depth0 }}({{ loop(n.c) }}){% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }}|{% endfor %}", "{% for i in n %}{% endfor %}", "{% for i in undefinedname %}x{% else %}e{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set d.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}",
    "{% for i in l %}{% set y = i %}{% endfor %}{{ y }}", "{% for i in l %}{{ y }}{% set y = i %}{% endfor %}", "{{ i }}{% for i in l %}{% endfor %}{{ i }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}",
    "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m() }}", "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}x{% endmacro %}{{ m(z=2) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body{{ n }}{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}", "{% macro m() %}{% set q = 1 %}{% endmacro %}{{ m() }}{{ q }}",
    "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(x) -%}\n  {{ x }}\n{%- endmacro %}[{{ m('a') }}]", "{{ m is defined }}{% macro m() %}{% endmacro %}{{ m.name }}",
    "{% macro m(*args) %}{% endmacro %}", "{% set args = [1, 2] %}{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*args) }}{{ m(**{'a': 3, 'b': 4}) }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'x') | upper %}abc{% endfilter %}", "{% generation %}a{{ n }}{% set q = 1 %}{% endgeneration %}{{ q }}", "{% print 1 + 1 %}{% print 1, 2 %}",
    "{% if e %}a{% elif n %}b{% else %}c{% endif %}", "{% if undefinedname %}a{% endif %}", "{% if undefinedname.x %}a{% endif %}", "{% if no is not none and no.x %}a{% else %}b{% endif %}",
    "{% for m in msgs %}{{ '<|' + m.role + '|>' + m['content'] | trim }}\n{% endfor %}", "{% for m in msgs[1:] %}{{ m.role }}{{ loop.index0 }}{% endfor %}", "{% set loop_messages = msgs[1:] if msgs[0]['role'] == 'system' else msgs %}{{ loop_messages | length }}",
    "{{ msgs[-1].content ~ '\\n' }}", "{{ msgs | selectattr('role', 'eq', 'user') | first | string }}", "{% set g = msgs | map(attribute='role') %}{{ g | list }}{{ g | list }}",
    "{% if 'x' in d %}1{% endif %}{% if 'b' in d %}2{% endif %}", "{{ [1, 2, 3] | map('string') | join('-') }}", "{{ {'a': msgs} | tojson(indent=2) }}",
    "{% if t %}{{ x | nofilter }}{% endif %}", "{% if e %}{{ x | nofilter }}{% endif %}ok", "{{ x | nofilter }}", "{{ 'a' if t else x | nofilter }}", "{% unknowntag %}", "{% extends 'x' %}", "{% include 'x' %}",
    "{{", "{{ 1", "{% if %}", "{% if t %}", "{% endif %}", "{% for %}", "{% for i in l %}", "{{ 1 + }}", "{{ (1 }}", "{{ 1) }}", "{{ [1, 2 }}", "{{ {'a' 1} }}", "{{ 'abc }}", "{# open", "{% raw %}x", "{{ a b }}", "{{ 1 | }}", "{{ 1 is }}", "{% set %}", "{% set 1 = 2 %}",
    "{% set true = 2 %}", "{% macro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% for i in l %}{% endif %}", "{{ x.1y }}", "{{ f(a=1, 2) }}", "{{ f(**a, **b) }}", "{% break %}", "{{ 1 is string is number }}", "{{ $ }}", "{{ a ! b }}", "{% call 1 %}{% endcall %}", "{% if t %}{% else %}{% else %}{% endif %}",
    "{% set x %}", "{{ '\\x4' }}", "{{ }}", "{% %}", "{% if t %}a{% elif %}{% endif %}", "{{ x. }}", "{{ x[ }}", "{{ x[] }}", "{{ 08 }}", "{{ 1..2 }}",
    "{{ loop }}", "{% for loop in l %}{{ loop }}{% endfor %}", "{% set loop = 3 %}{{ loop }}", "{% for i in l %}{% if loop.last %}{{ i }}{% endif %}{% endfor %}{{ loop is defined }}",
    "{%- for m in msgs -%}\n  {%- if loop.first %} first {%- endif %}\n  [{{ m.role }}]\n{%- endfor %}\n", "{{- s }}\n{{ s -}}\n x", "{%- set x = 1 -%}\n\n{{ x }}\n\n", "    {{ s }}\n    {% set q = 1 %}    \n  z",
    "{% set x | safe %}<{% endset %}{{ x + '<' }}", "{% set x %}{{ '<' | safe }}{% endset %}{{ x + '<' }}", "{% filter safe %}<{% endfilter %}",
    "{% macro m() %}<{% endmacro %}{{ ('<' | safe) + m() }}", "{% for c in '<' | safe %}{{ c + '<' }}{% endfor %}",
    "{% set q = 1 %} \nx", "a {% if t %} b {% endif %} c\n  {% if t %}\n  d\n  {% endif %}\n",
]


def main():
    env = environment()
    text = json.dumps(CONTEXT, ensure_ascii=False)
    cases = [case(env, each, "{{ " + each + " }}", text) for each in EXPRESSIONS]
    cases += [case(env, each, each, text) for each in TEMPLATES]
    for each in cases:
        each.pop("context")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json")
    with open(path, "w", encoding="utf-8") as out:
        out.write('{"context": %s,\n "cases": [\n' % json.dumps(CONTEXT, ensure_ascii=False))
        out.write(",\n".join(json.dumps(each, ensure_ascii=False) for each in cases))
        out.write("\n]}\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
