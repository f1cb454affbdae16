# SPDX-License-Identifier: BSD-3-Clause
"""What programs that are already built rely on: the names that libscardmanage exports, their version, and the structs."""

import pathlib
import re
import subprocess

from programs import BUILD, SOURCE
from waiting import TIMEOUT

LIBRARY = SOURCE / "lib/scardmanage"
HEADERS = sorted((LIBRARY / "include").glob("*.h"))
TEXT = "".join(header.read_text() for header in HEADERS)
SHARED = BUILD / "lib/libscardmanage.so"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout


def declared():
    text = "".join(re.findall(r"^SCARDMANAGE_API[^;]*;", TEXT, re.MULTILINE))
    return sorted(re.findall(r"\b(scardmanage_\w+)\(", text))


def test_exactly_what_is_declared_is_exported_and_versioned():
    lines = output("nm", "--dynamic", "--defined-only", "--with-symbol-versions", SHARED).splitlines()
    names = sorted(line.split()[2] for line in lines if line.split()[1] != "A")  # A: the version itself
    assert len(declared()) > 20
    assert names == [f"{name}@@SCARDMANAGE_0" for name in declared()]


def test_the_headers_declare_no_function_otherwise():
    """Only then does the test above know of all."""
    text = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$|^typedef \w+ scardmanage_\w+\([^;]*;", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert sorted(re.findall(r"\b(scardmanage_\w+)\(", text)) == declared()


def test_the_soname():
    assert re.findall(r"SONAME.*\[(.*)\]", output("readelf", "--dynamic", SHARED)) == ["libscardmanage.so.0"]


def test_only_the_allocator_allocates():
    objects = sorted((BUILD / "lib/scardmanage/CMakeFiles/scardmanage.dir").glob("*.c.o"))
    assert {path.name for path in objects} == {path.name + ".o" for path in LIBRARY.glob("*.c")}
    allocating = {"malloc", "calloc", "realloc", "free", "strdup", "strndup", "aligned_alloc", "posix_memalign", "asprintf"}
    users = [path.name for path in objects
             if allocating & {line.split()[-1] for line in output("nm", "--undefined-only", path).splitlines()}]
    assert users == ["allocator.c.o"]


def test_only_the_platform_files_ask_for_the_system():
    asking = {path.name for path in LIBRARY.rglob("*.[ch]") if re.search(r"^#.*\b(_WIN32|__APPLE__|__linux__)", path.read_text(), re.MULTILINE)}
    assert asking == {"platform.c", "platform.h", "platform_service.c", "platform_signal.c", "platform_threads.c", "scardmanage_types.h"}


# Every constant and struct is used as C++ does it, and a struct that moves, other than by growing, is an error. The
# offsets are those of 64-bit Linux.
PROGRAM = """
INCLUDES
#include <cstddef>
#include <cstdio>

#define AT(type, field, offset) static_assert(offsetof(type, field) == (offset), #type "." #field)
AT(scardmanage_options, first_step, 8);
AT(scardmanage_options, last_step, 12);
AT(scardmanage_options, protocols, 16);
AT(scardmanage_options, share, 20);
AT(scardmanage_options, accept_other_card, 24);
AT(scardmanage_options, timeout_ms, 28);
AT(scardmanage_options, wait_ms, 32);
AT(scardmanage_options, accept_other_index, 36);
AT(scardmanage_options, rebuild, 40);
AT(scardmanage_options, rebuild_context, 48);
AT(scardmanage_options, identify, 56);
AT(scardmanage_options, identify_context, 64);
AT(scardmanage_options, accept_unidentified, 72);
AT(scardmanage_options, rebuild_at_attach, 76);
AT(scardmanage_options, session, 80);
AT(scardmanage_options, wait_for_my_card, 88);
AT(scardmanage_report, step, 8);
AT(scardmanage_report, verdict, 12);
AT(scardmanage_report, lock, 16);
AT(scardmanage_report, attempts, 20);
AT(scardmanage_report, elapsed_us, 24);
AT(scardmanage_report, last_result, 32);
AT(scardmanage_report, old_protocol, 36);
AT(scardmanage_report, new_protocol, 40);
AT(scardmanage_report, old_atr_len, 44);
AT(scardmanage_report, new_atr_len, 45);
AT(scardmanage_report, old_atr, 46);
AT(scardmanage_report, new_atr, 82);
AT(scardmanage_report, sent, 120);
AT(scardmanage_report, waited_us, 128);
AT(scardmanage_report, session, 136);
AT(scardmanage_watch_event, happened, 8);
AT(scardmanage_watch_event, changes, 12);
AT(scardmanage_watch_event, service, 16);
AT(scardmanage_watch_event, state, 20);
AT(scardmanage_watch_event, counter, 24);
AT(scardmanage_watch_event, exclusive, 28);
AT(scardmanage_watch_event, atr_len, 32);
AT(scardmanage_watch_event, atr, 36);
AT(scardmanage_watch_event, reader, 72);
AT(scardmanage_allocator, context, 8);
AT(scardmanage_allocator, allocate, 16);
AT(scardmanage_allocator, reallocate, 24);
AT(scardmanage_allocator, release, 32);
AT(scardmanage_verify_options, cla, 8);
AT(scardmanage_verify_options, padded_length, 12);
AT(scardmanage_verify_options, padding_byte, 16);
AT(scardmanage_verify_options, minimum_tries, 20);
AT(scardmanage_auth_options, cla, 8);
AT(scardmanage_interface, guid, 8);
AT(scardmanage_interface, name, 16);
AT(scardmanage_interface, create, 24);
AT(scardmanage_interface, context, 32);
AT(scardmanage_interface, release, 40);
static_assert(sizeof(scardmanage_guid) == 16, "scardmanage_guid");

int main()
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    scardmanage_verify_options verify_options = SCARDMANAGE_VERIFY_OPTIONS_INIT;
    scardmanage_auth_options auth_options = SCARDMANAGE_AUTH_OPTIONS_INIT;
    scardmanage_verify *verify = nullptr;
    scardmanage_auth *auth = nullptr;
    scardmanage_interface provider = SCARDMANAGE_INTERFACE_INIT;
    scardmanage *card = nullptr;
    const void *functions[] = {FUNCTIONS};
    for (const void *function : functions)
        if (function == nullptr)
            return 1;
    if (scardmanage_create(&card) != SCARDMANAGE_S_OK || scardmanage_set_options(card, &options) != SCARDMANAGE_S_OK)
        return 1;
    if (scardmanage_watch_next(nullptr, &event, 0) != SCARDMANAGE_E_POINTER ||
        scardmanage_create_verify(card, &verify_options, &verify) != SCARDMANAGE_E_INVALID_HANDLE ||
        scardmanage_create_auth(card, &auth_options, &auth) != SCARDMANAGE_E_INVALID_HANDLE ||
        scardmanage_register_interface(card, &provider) != SCARDMANAGE_E_INVALIDARG)
        return 1;
    scardmanage_result result = scardmanage_reconnect_ex(card, nullptr, &report);
    std::puts(scardmanage_strerror(result));
    scardmanage_free(card);
    switch (result) {
    case SCARDMANAGE_E_INVALID_HANDLE:
        return 0;
    default:
        return 1;
    }
}
"""


def test_the_header_in_cxx(tmp_path: pathlib.Path):
    functions = ", ".join(f"reinterpret_cast<const void *>({name})" for name in declared())
    includes = "\n".join(f"#include <{header.name}>" for header in HEADERS)
    program = tmp_path / "program.cpp"
    program.write_text(PROGRAM.replace("FUNCTIONS", functions).replace("INCLUDES", includes))
    sanitized = "CARDRIG_SANITIZE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()
    options = output("pkg-config", "--cflags", "--libs", "libpcsclite").split()
    subprocess.run(["g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                    *(["-fsanitize=address,undefined"] if sanitized else []), f"-I{LIBRARY}/include", program,
                    "-o", tmp_path / "program", f"-L{SHARED.parent}", f"-Wl,-rpath,{SHARED.parent}", "-lscardmanage",
                    *options], check=True, timeout=TIMEOUT)
    assert output(tmp_path / "program").startswith("not attached")


def test_the_static_library_shows_only_what_is_declared(tmp_path):
    archive = BUILD / "lib/libscardmanage.a"
    lines = output("nm", "--extern-only", "--defined-only", archive).splitlines()
    assert sorted(line.split()[2] for line in lines if len(line.split()) == 3) == declared()
    program = tmp_path / "program.c"
    program.write_text("#include <scardmanage.h>\n#include <stdio.h>\nint lock_state(void) { return 0; }\n"
                       "int main(void)\n{\n    scardmanage *card;\n    int result = scardmanage_create(&card);\n"
                       "    scardmanage_free(card);\n    return result != 0 || lock_state();\n}\n")
    sanitized = "CARDRIG_SANITIZE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text()
    subprocess.run(["cc", *(["-fsanitize=address,undefined"] if sanitized else []), f"-I{LIBRARY}/include", program, archive,
                    "-o", tmp_path / "program", *output("pkg-config", "--cflags", "--libs", "libpcsclite").split()],
                   check=True, timeout=TIMEOUT)
    output(tmp_path / "program")
