#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "tm/gass/facts.h"

#include <string.h>

static struct facts parse(const char *line)
{
    struct facts f;
    if (!facts_parse(line, strlen(line), &f))
        fail_msg("\"%s\" is not taken", line);
    return f;
}

static void assert_name(const struct facts *f, const char *name)
{
    assert_int_equal(f->name_len, strlen(name));
    assert_memory_equal(f->name, name, f->name_len);
}

static void a_line_says_type_size_time_and_mode(void **state)
{
    (void)state;
    struct facts f =
        parse("Type=file;Modify=20261121140034;Size=5000000000;Perm=awr;UNIX.mode=0644;"
              "UNIX.owner=u;Unique=fe00-a72298; a; b c");
    assert_int_equal(f.type, FACTS_FILE);
    assert_true(f.has_size && f.has_mtime && f.has_mode);
    assert_int_equal(f.size, 5000000000);
    assert_int_equal(f.mtime, 1795269634);
    assert_int_equal(f.mode, 0644);
    assert_false(f.is_link || f.is_forbidden);
    assert_name(&f, "a; b c");
    f = parse(" type=DIR;modify=20261121140034.5;perm=el; d");
    assert_int_equal(f.type, FACTS_DIR);
    assert_true(f.has_mtime);
    assert_false(f.has_size || f.has_mode || f.is_forbidden);
    assert_name(&f, "d");
    f = parse("Type=file;Perm=; x");
    assert_true(f.is_forbidden);
}

static void a_link_is_known_as_one(void **state)
{
    (void)state;
    struct facts f = parse("Type=dir;Perm=el;UNIX.mode=0755;UNIX.slink=/a%20b%3B; dl");
    assert_true(f.is_link);
    assert_int_equal(f.type, FACTS_DIR);
    f = parse("Type=OS.unix=slink:/etc;Size=4; l");
    assert_true(f.is_link);
    f = parse("Type=OS.unix=pipe;Size=0; p");
    assert_int_equal(f.type, FACTS_OTHER);
    assert_false(f.is_link);
}

static void a_name_never_leads_out_of_its_directory(void **state)
{
    (void)state;
    static const char *const lines[] = {"Type=dir; ..", "Type=cdir; .", "Type=file; ..",
                                        "Type=pdir; /home/x"};
    for (size_t i = 0; i < GW_COUNT(lines); i++)
        assert_int_equal(parse(lines[i]).type, FACTS_SELF);
    assert_int_equal(parse("Type=file; ../x").name_len, 0);
    assert_int_equal(parse("Type=file; a/b").name_len, 0);
    assert_int_equal(parse("Type=file; ").name_len, 0);
    struct facts f = parse("Type=file;  lead");
    assert_name(&f, " lead");
    f = parse("Type=file; trail ");
    assert_name(&f, "trail ");
}

static void what_is_no_number_is_no_fact(void **state)
{
    (void)state;
    assert_false(parse("Size=99999999999999999999; x").has_size);
    assert_false(parse("Size=-1; x").has_size);
    assert_false(parse("Size=; x").has_size);
    assert_false(parse("Modify=2026; x").has_mtime);
    assert_false(parse("Modify=2026112114003x; x").has_mtime);
    assert_false(parse("UNIX.mode=0988; x").has_mode);
    assert_int_equal(parse("UNIX.mode=104755; x").mode, 0755);
}

static void another_line_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"",        " ",        "x",   "Type=file;x", "Type=file x",
                                        "Type; x", "total 12", ";; x"};
    for (size_t i = 0; i < GW_COUNT(lines); i++) {
        struct facts f;
        if (facts_parse(lines[i], strlen(lines[i]), &f))
            fail_msg("\"%s\" is taken", lines[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_type_size_time_and_mode),
        cmocka_unit_test(a_link_is_known_as_one),
        cmocka_unit_test(a_name_never_leads_out_of_its_directory),
        cmocka_unit_test(what_is_no_number_is_no_fact),
        cmocka_unit_test(another_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
