"""Renders the sources in cases.json with jinja2 and writes the results back.

  python3 test/Inputs/templates/make_cases.py
To add a case, add a line {"source": "..."} and run the script. It needs jinja2
3.1.6 or newer (pip install 'jinja2>=3.1.6').
"""
import json
import os

from environment import case, environment


def main():
    env = environment()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    context = json.dumps(table["context"])
    cases = [case(env, each["source"], context) for each in table["cases"]]
    with open(path, "w", encoding="utf-8") as out:
        out.write('{"context": %s,\n "cases": [\n' % json.dumps(table["context"], ensure_ascii=False))
        out.write(",\n".join(json.dumps(each, ensure_ascii=False) for each in cases))
        out.write("\n]}\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
