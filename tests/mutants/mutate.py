"""
Puts careful defects into the code, one at a time, and looks whether a test notices. scripts/mutate starts it, in a copy of
the repository, and its --help says what it is for.

A mutant is one changed line. universalmutator makes them with c.rules and sql.rules; comments are blanked out before.
What is known of a mutant is kept by its texts and not by its line's number, so that it holds while the file changes
elsewhere.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import ctypes
import fcntl
import glob
import hashlib
import io
import json
import multiprocessing
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
PR_SET_CHILD_SUBREAPER = 36
# A test that takes so much longer than with the right code has a loop without end.
SLOWER, GRACE_S, API_S = 5, 10, 90
# Slow tests of tests/api, about what other processes do meanwhile.
API_NOT = "not (meanwhile or died or while or within_a_second or learns or twin or restarting or acknowledged or every_text)"

# What stands on the database: tests/app is what tries it.
ABOVE = re.compile("src/(call|auth|resource|app|db)/|sql/")

Mutant = collections.namedtuple("Mutant", "file line before after nth")


def identity(mutant):
    return json.dumps([mutant.file, mutant.before, mutant.after, mutant.nth])


# ---------------------------------------------------------------- which mutants there are


def without_comments(text, sql):
    """The same lines, with blanks in the place of comments; strings stay."""
    pattern = r"'[^'\n]*'|--[^\n]*" if sql else r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|/\*.*?\*/|//[^\n]*"

    def blank(found):
        text = found.group()
        return text if text[0] in "\"'" else "\n" * text.count("\n")
    text = re.sub(pattern, blank, text, flags=re.DOTALL)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def is_sql(file):
    return file.endswith(".sql")


def lines_of(file, tree=TREE):
    return without_comments((tree / file).read_text(), is_sql(file)).splitlines(keepends=True)


def the_files():
    """{file: the tests of tests/api that could notice}, in the order of files.txt."""
    found = {}
    for line in (HERE / "files.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern, *tests = line.split()
            names = sorted(glob.glob(pattern, root_dir=TREE))
            if not names:
                sys.exit(f"tests/mutants/files.txt: there is no {pattern}")
            for name in names:
                found.setdefault(name, tests)
    return found


def mutants_of(file):
    from universalmutator import mutator

    rules = HERE / ("sql.rules" if is_sql(file) else "c.rules")
    lines = lines_of(file)
    with contextlib.redirect_stdout(io.StringIO()):
        made = mutator.mutants_regexp(lines, ruleFiles=[str(rules)], ignorePatterns=[], ignoreStringOnly=not is_sql(file))
    seen, found = collections.Counter(), []
    for number, after, *_ in made:
        before = lines[number - 1].strip()
        after = after.strip()
        if before != after:
            nth = seen[before, after]
            seen[before, after] += 1
            found.append(Mutant(file, number, before, after, nth))
    return found


def entries(name):
    """{(file, before, after): reason} of argued.txt or known.txt."""
    found, file, before, after = {}, None, None, None
    for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            file, before, after = line.strip(), None, None
        elif file and line.startswith("\t- "):
            before, after = line[3:], None
        elif before and (line.startswith("\t+ ") or line == "\t+"):
            after = line[3:]
            found[file, before, after] = ""
        elif after is not None and line.startswith("\t\t"):
            found[file, before, after] += " " + line.strip()
        else:
            sys.exit(f"tests/mutants/{name}:{number}: not understood: {line}")
    return found


def write_known(known, path=HERE / "known.txt"):
    head = "".join(line for line in (HERE / "known.txt").read_text().splitlines(keepends=True) if line.startswith("#"))
    text, last = head, None
    for file, before, after in sorted(known):
        if file != last:
            text += f"\n{file}\n"
            last = file
        text += f"\t- {before}\n\t+{' ' * bool(after)}{after}\n"
    path.write_text(text)


def is_there(file, before):
    return (TREE / file).exists() and before in {line.strip() for line in lines_of(file)}


def lint():
    """Both lists speak of lines that are there; what is argued has a reason."""
    bad = False
    for name in ("argued.txt", "known.txt"):
        for (file, before, after), reason in entries(name).items():
            if not is_there(file, before):
                print(f"tests/mutants/{name}: {file} has no such line any more (scripts/mutate --tidy): {before}")
                bad = True
            if name == "argued.txt" and len(reason.split()) < 3:
                print(f"tests/mutants/argued.txt: no reason: {file}: {after}")
                bad = True
    the_files()
    return 1 if bad else 0


def tidy():
    known = {key: reason for key, reason in entries("known.txt").items() if is_there(*key[:2])}
    write_known(known)
    return 0


# ---------------------------------------------------------------- running what could notice


def descendants():
    """Processes of this one, its children's children too; those whose parent ended have become its own."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry)] = int(Path("/proc", entry, "stat").read_text().rsplit(") ", 1)[1].split()[1])
    found, todo = [], [os.getpid()]
    while todo:
        parent = todo.pop()
        children = [pid for pid, of in parents.items() if of == parent]
        found += children
        todo += children
    return found


def end_descendants():
    while True:
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def limit():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what the parent ignores, its children would too
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (600, 600))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


class Slow(Exception):
    """The right code takes as long on this machine, now: nothing was learned of a mutant."""


def run(command, seconds, **more):
    """Whether it ended well; None: not in time. Nothing of it goes on."""
    out = more.pop("out", None)
    with open(out, "w+") if out else open(os.devnull, "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=limit,
                                   start_new_session=True, **more)
        try:
            good = process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            good = None
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
    end_descendants()
    return good


def time_of(program, **more):
    """How long it takes with the right code; it must pass, if not at once on a machine that is busy."""
    for _ in range(3):
        begin = time.monotonic()
        if run([program], 120, **more):
            return time.monotonic() - begin
    sys.exit(f"{program.name} fails without any defect")


class Build:
    """What make would do, taken from it once: a command for each object and each program."""

    def __init__(self, folder):
        self.folder = folder
        sources = sorted(glob.glob("src/**/*.c", root_dir=TREE, recursive=True))
        said = self.make("-n", *[f"-W{TREE / source}" for source in sources], "-Wsrc/db/sqlcat_gen.c", "libclientele.a")
        self.compile, self.link, self.symbols, self.seconds = {}, {}, {}, {}
        for line in re.sub(r"\\\n", " ", said).splitlines():
            found = re.search(r"(gcc .*) -MT (\S+) .* -c -o \S+ (\S+)", line)
            if found:
                source = found[3].strip("'`").split("`")[-1].replace(str(TREE) + "/", "")
                self.compile[source] = (found[1], found[2])
        self.units = self.make("print-unit_tests").split()
        self.apps = self.make("print-app_tests").split()
        said = self.make("-n", "-Wlibclientele.a", "clientele", *self.units, *self.apps)
        for line in re.sub(r"\\\n", " ", said).splitlines():
            found = re.search(r"(gcc .* -o (\S+) .*libclientele\.a.*)", line)
            if found:
                self.link[found[2]] = found[1]
        for program in self.link:
            said = subprocess.run(["nm", "--defined-only", folder / program], text=True, stdout=subprocess.PIPE, check=True).stdout
            self.symbols[program] = set(said.split())

    def make(self, *arguments):
        return subprocess.run(["make", "--no-print-directory", "-C", self.folder, *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True).stdout

    def defines(self, obj):
        said = subprocess.run(["nm", "--defined-only", "-g", obj], text=True, stdout=subprocess.PIPE, check=True).stdout
        return {line.split()[-1] for line in said.splitlines()}

    def sources_with(self, mutant):
        """Those whose objects may change with a line of a header: they use it and name what the line has."""
        names = set(re.findall(r"[A-Za-z_]\w{3,}", mutant.before))
        if mutant.file.endswith(".def"):
            return ["src/base/err.c"]
        found = []
        for source in self.compile:
            if (TREE / source).exists() and names & set(re.findall(r"\w+", (TREE / source).read_text())):
                found.append(source)
        return found


class Job:
    """One copy of the tree, in which a mutant is at a time."""

    def __init__(self, work, number, options):
        self.folder = work / f"job{number}"
        self.tree, self.options, self.build = self.folder / "tree", options, options.build
        self.database = f"mutant{number}"
        self.reference = {}
        self.noticed = collections.Counter()  # how often, by file and program
        self.dirty = True  # its database, by a mutant that was not as it should be
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        shutil.copytree(TREE, self.tree, symlinks=True, ignore=shutil.ignore_patterns("var", ".git", "autom4te.cache", "node_modules"))
        self.env = {**os.environ, "srcdir": str(self.tree), "CMOCKA_MESSAGE_OUTPUT": "TAP", "PGHOST": options.sockets, "PGUSER": "postgres",
                    "PGDATABASE": self.database, "PYTHONDONTWRITEBYTECODE": "1"}
        for role in ("serve", "owner"):
            self.env[f"CLIENTELE_TEST_{role.upper()}_URL"] = self.url(role)
        self.fresh_database(None, None)
        self.seconds = {**self.build.seconds, **{name: time_of(self.build.folder / name, cwd=self.build.folder, env=self.env)
                                                 for name in self.build.apps}}

    def url(self, role):
        return f"postgresql://clientele_{role}@/{self.database}?host={self.options.sockets.replace('/', '%2F')}"

    # ---- making it

    def generated(self):
        """The table of statements and migrations, made of this tree."""
        out = self.folder / "sqlcat_gen.c"
        files = sorted(glob.glob("sql/migrate/*.sql", root_dir=self.tree)) + sorted(glob.glob("sql/query/*.sql", root_dir=self.tree))
        with open(out, "w") as file:
            done = subprocess.run(["awk", "-v", "part=table", "-f", "sql/embed.awk", *files], cwd=self.tree, stdout=file,
                                  stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def object(self, source, name):
        """Compiles it in this tree; None when that fails."""
        command, _ = self.build.compile[source]
        path = self.folder / "sqlcat_gen.c" if source == "src/db/sqlcat_gen.c" else self.tree / source
        if source == "src/db/sqlcat_gen.c" and not self.generated():
            return None
        out = self.folder / name
        command = command.replace(str(TREE), str(self.tree))
        done = run(["sh", "-c", f"{command} -c -o {shlex.quote(str(out))} {shlex.quote(str(path))}"], 60, cwd=self.build.folder)
        return out if done else None

    def objects(self, mutant):
        """Those that are other than without the mutant; None when it does not compile."""
        if mutant.file.endswith(".c"):
            sources = [mutant.file]
        elif is_sql(mutant.file):
            sources = ["src/db/sqlcat_gen.c"]
        else:
            sources = self.build.sources_with(mutant)
        self.put_back(mutant.file)
        for source in sources:
            if source not in self.reference:
                self.reference[source] = self.object(source, "reference.o").read_bytes()
        self.put_in(mutant)
        if mutant.file.endswith(".def"):
            self.errors()
        changed = []
        for number, source in enumerate(sources):
            made = self.object(source, f"mutant{number}.o")
            if made is None:
                return None
            if made.read_bytes() != self.reference[source]:
                changed.append(made)
        return changed

    def errors(self):
        files = ["src/base/err.def", *sorted(glob.glob("src/resource/*/errors.def", root_dir=self.tree))]
        (self.tree / "src/base/err_gen.def").write_text("".join((self.tree / file).read_text() for file in files))

    def program(self, name, objects):
        """Links it with these objects in the place of those in the library."""
        out = self.folder / Path(name).name
        command = self.build.link[name].replace(f"-o {name} ", f"-o {shlex.quote(str(out))} ")
        command = command.replace("libclientele.a", " ".join(shlex.quote(str(o)) for o in objects) + " libclientele.a", 1)
        return out if run(["sh", "-c", command], 60, cwd=self.build.folder) else None

    def put_in(self, mutant):
        lines = (self.tree / mutant.file).read_text().splitlines(keepends=True)
        lines[mutant.line - 1] = re.match(r"\s*", lines[mutant.line - 1])[0].rstrip("\n") + mutant.after + "\n"
        (self.tree / mutant.file).write_text("".join(lines))

    def put_back(self, file):
        shutil.copy2(TREE / file, self.tree / file)
        with contextlib.suppress(FileNotFoundError):
            (self.tree / "src/base/err_gen.def").unlink()

    # ---- steps that could notice: each returns what noticed, or None

    def passes(self, command, right, seconds, **more):
        """Whether the tests pass with the mutant; those that do not end must do so with the right code."""
        good = run(command, seconds, **more)
        if good is None and run(right, seconds, **more) is None:
            raise Slow
        return good

    def program_passes(self, name, objects):
        program, right = self.program(name, objects), self.build.folder / name
        more = {"cwd": self.build.folder, "env": self.env}
        return program and self.passes([program], [right], self.seconds[name] * SLOWER + GRACE_S, **more)

    def unit(self, mutant, objects):
        names = set().union(*(self.build.defines(o) for o in objects))
        # A program of one part may have all of the API linked in, and calls none of it.
        programs = [p for p in self.build.units if names & self.build.symbols[p]
                    and not (ABOVE.match(mutant.file) and "customer_create" in self.build.symbols[p])]
        for name in sorted(programs, key=lambda p: self.seconds[p]):
            if not self.program_passes(name, objects):
                return name
        return None

    def fresh_database(self, mutant, objects):
        psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
        drop = ["-c", f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)"]
        if not mutant or not mutant.file.startswith("sql/migrate"):
            return run([*psql, *drop, "-c", f"CREATE DATABASE {self.database} TEMPLATE mutants"], 60, env=self.env)
        program = self.program("clientele", objects)
        setup = self.tree / "sql" / "setup.sql"
        run([*psql, *drop], 60, env=self.env)
        return program and run([*psql, "-v", f"database={self.database}", "-f", setup], 60, env=self.env) \
            and run([program, "migrate"], 60, env={**self.env, "CLIENTELE_DATABASE_OWNER_URL": self.url("owner")})

    def app(self, mutant, objects):
        if (self.dirty or is_sql(mutant.file)) and not self.fresh_database(mutant, objects):
            return "migrate"
        self.dirty = True
        # First what has noticed most in this file.
        for name in sorted(self.build.apps, key=lambda p: (-self.noticed[mutant.file, p], is_sql(mutant.file) != p.endswith("statements"))):
            if not self.program_passes(name, objects):
                self.noticed[mutant.file, name] += 1
                return name
        self.dirty = is_sql(mutant.file)
        return None

    def statements(self, mutant):
        return None if run(["bash", self.tree / "tests" / "lint" / "statements.sh"], 60, cwd=self.tree) else "lint"

    def api(self, mutant, objects):
        program = self.program("clientele", objects)
        tests = [str(self.tree / "tests" / "api" / test) for test in self.options.files[mutant.file]]
        quick = [] if "/../" in tests[0] else ["--quick"]
        out = self.folder / "pytest.out"
        env = {**os.environ, "CLIENTELE_BIN": str(program), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-c", self.tree / "tests" / "pytest.ini",
                   "--rootdir", self.tree / "tests", *quick, "-k", API_NOT, *tests]
        more = {"cwd": self.tree / "tests", "out": out}
        good = program and run(command, API_S, env=env, **more)
        if good:
            return None
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", out.read_text(), re.MULTILINE)
        env["CLIENTELE_BIN"] = str(self.build.folder / "clientele")
        if good is None and run(command, API_S, env=env, **more) is None:
            raise Slow
        return f"api {failed[0]}" if failed else "api"

    # ---- all of it

    def try_one(self, mutant, twins):
        begin = time.monotonic()
        try:
            by = self.judge(mutant, twins)
        except Slow:
            by, self.dirty = "slow", True
        self.put_back(mutant.file)
        outcome = "uncounted" if by in ("compile", "same", "twin", "slow") else "survived" if by is None else "killed"
        return {"id": identity(mutant), "line": mutant.line, "outcome": outcome, "by": by, "s": round(time.monotonic() - begin, 2)}

    def judge(self, mutant, twins):
        objects = self.objects(mutant)
        if objects is None:
            return "compile"
        if not objects and mutant.file != "sql/setup.sql":
            return "same"
        mark = mutant.file + hashlib.sha256(b"".join(o.read_bytes() for o in objects)).hexdigest()
        if objects and twins.setdefault(mark, identity(mutant)) != identity(mutant):
            return "twin"
        if mutant.file == "sql/setup.sql":
            return self.api(mutant, objects)
        by = self.statements(mutant) if is_sql(mutant.file) else None
        by = by or self.unit(mutant, objects)
        if by or self.options.no_app:
            return by
        by = self.app(mutant, objects)
        # What is listed as a survivor is not asked the slow question again.
        return by if by or self.options.no_api or mutant[:1] + mutant[2:4] in self.options.listed else self.api(mutant, objects)


_job = None


def begin_job(work, numbers, options):
    global _job
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _job = Job(work, numbers.get(), options)


def try_one(mutant, twins):
    return _job.try_one(mutant, twins)


def measure(build, env):
    for name in build.units:
        build.seconds[name] = time_of(build.folder / name, cwd=build.folder, env=env)


# ---------------------------------------------------------------- the whole


def stop(*_):
    """A signal: nothing goes on."""
    end_descendants()
    os._exit(130)


def chosen(options):
    files = options.files
    if options.file:
        for name in options.file:
            if name not in files:
                sys.exit(f"{name} is not one of tests/mutants/files.txt")
        files = {name: files[name] for name in options.file}
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    total = len(mutants)
    if options.only:
        wanted = {line.rstrip("\n") for line in open(options.only)}
        mutants = [m for m in mutants if identity(m) in wanted]
    if options.sample:
        def rank(mutant):
            return hashlib.sha256(f"{options.seed}\0{identity(mutant)}".encode()).digest()
        # More than are wanted: those that do not compile, or are the same, are not counted.
        mutants = sorted(mutants, key=rank)
    return mutants, total


def show(result):
    file, before, after, nth = json.loads(result["id"])
    return f"{file}:{result['line']}\n\t- {before}\n\t+ {after}"


def main():
    parser = argparse.ArgumentParser(prog="scripts/mutate")
    parser.add_argument("file", nargs="*")
    parser.add_argument("--build", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--sockets")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default="")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--only", help="a file with identities, one a line")
    parser.add_argument("--no-api", action="store_true")
    parser.add_argument("--no-app", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--lint", action="store_true")
    parser.add_argument("--tidy", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if options.lint or options.tidy:
        return lint() if options.lint else tidy()
    options.files = the_files()
    mutants, total = chosen(options)
    if options.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line}\n\t- {mutant.before}\n\t+ {mutant.after}")
        print(f"{total} mutants")
        return 0
    reasons, known = entries("argued.txt"), entries("known.txt")
    options.listed = {**reasons, **known}
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    options.build = Build(options.build)
    measure(options.build, {**os.environ, "srcdir": str(TREE), "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    count = collections.Counter()
    survivors, open_ones, tried = [], [], set()
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager, open(options.work / "results", "a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        twins, numbers = manager.dict(), manager.Queue()
        for number in range(options.jobs):
            numbers.put(number)
        with concurrent.futures.ProcessPoolExecutor(options.jobs, context, begin_job, (options.work, numbers, options)) as pool:
            rest, running = iter(mutants), set()
            wanted = options.sample or len(mutants)
            while True:
                while len(running) < options.jobs and count["counted"] + len(running) < wanted and time.monotonic() < end:
                    mutant = next(rest, None)
                    if mutant is None:
                        break
                    running.add(pool.submit(try_one, mutant, twins))
                if not running:
                    break
                done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    log.write(json.dumps(result) + "\n")
                    log.flush()
                    file, before, after, _ = json.loads(result["id"])
                    if result["outcome"] == "survived":
                        result["outcome"] = "argued" if (file, before, after) in reasons \
                            else "known" if (file, before, after) in known else "survived"
                    tried.add((file, before, after))
                    if result["outcome"] in ("known", "survived"):
                        open_ones.append(result)
                    count[result["outcome"]] += 1
                    count["counted"] += result["outcome"] != "uncounted"
                    count["slow"] += result["by"] == "slow"
                    count["seconds"] += result["s"]
                    if result["outcome"] == "survived":
                        survivors.append(result)
                        print(show(result), flush=True)
    write_known({key for key in known if key not in tried} | {tuple(json.loads(r["id"])[:3]) for r in open_ones}, options.work / "known")
    print(f"{total} mutants of {len(options.file or options.files)} files; {count['counted']} counted: {count['killed']} killed, "
          f"{count['argued']} argued, {count['known']} known, {count['survived']} survived; {count['uncounted']} do not compile or change nothing"
          f"{', or were too slow (' + str(count['slow']) + ')' if count['slow'] else ''}; "
          f"{count['seconds'] / max(1, count['counted'] + count['uncounted']):.1f} s each")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
