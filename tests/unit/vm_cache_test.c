#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/file.h"
#include "lib/mem.h"
#include "vm/cache.h"
#include "tests/unit/tempdir.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* head -c 1024 /dev/zero | sha256sum */
static const char zeros_hash[] = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
static const char other_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = tempdir_make("gw-cache");
    return dir ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return tempdir_remove(dir);
}

static char *in_cache(const char *name)
{
    return xasprintf("%s/.gw_cache/%s", dir, name);
}

/* An entry as the prolog leaves it, with an image of `bytes` zeros; the image's path. */
static char *add(const char *key, size_t bytes)
{
    char *entry = in_cache(key), *image = xasprintf("%s/image", entry), *data = xcalloc(1, bytes);
    assert_int_equal(file_mkdirs(entry, 0755, NULL), 0);
    assert_int_equal(file_write(image, data, bytes, 0644, NULL), 0);
    free(data);
    free(entry);
    return image;
}

static bool is_there(const char *key)
{
    char *path = in_cache(key);
    struct stat st;
    bool is = lstat(path, &st) == 0;
    free(path);
    return is;
}

static char *real(const char *key)
{
    char *path = in_cache(key), *r = realpath(path, NULL);
    free(path);
    return r;
}

static void an_image_is_named_by_its_content_after_its_first_use(void **state)
{
    (void)state;
    char *path = add("u-1-2-3", 1024), *by_content = NULL;
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(path, NULL, &c, &f), 0);
    by_content = xasprintf("/.gw_cache/sha256-%s/image", zeros_hash);
    assert_non_null(strstr(c.path, by_content));
    assert_int_equal(c.image.format, IMAGE_RAW);
    cache_release(&c);
    assert_int_equal(cache_take(path, zeros_hash, &c, &f), 0); /* by its old name, a link now */
    cache_release(&c);
    free(by_content);
    free(path);
}

static void two_names_of_one_content_share_one_copy(void **state)
{
    (void)state;
    char *a = add("u-1-2-3", 1024), *b = add("u-4-5-6", 1024);
    struct cached_image c, d;
    struct vm_failure f;
    assert_int_equal(cache_take(a, NULL, &c, &f), 0);
    assert_int_equal(cache_take(b, NULL, &d, &f), 0);
    assert_string_equal(c.path, d.path);
    char *x = real("u-1-2-3"), *y = real("u-4-5-6");
    assert_string_equal(x, y);
    cache_release(&c);
    cache_release(&d);
    free(x);
    free(y);
    free(a);
    free(b);
}

static void a_wrong_checksum_removes_the_entry(void **state)
{
    (void)state;
    char *path = add("sha256-00", 1024);
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(path, other_hash, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-checksum");
    assert_false(is_there("sha256-00"));
    free(path);
}

static void a_damaged_image_removes_the_entry(void **state)
{
    (void)state;
    char *path = add("u-1-2-3", 1024);
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(file_write(path, "QFI\xfb", 4, 0644, NULL), 0);
    assert_int_equal(truncate(path, 1024), 0);
    assert_int_equal(cache_take(path, NULL, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-corrupt");
    assert_false(is_there("u-1-2-3"));
    free(path);
}

/* Proved by a note that lies: what it says is believed until the image's size or time change. */
static void an_image_is_hashed_once_until_it_changes(void **state)
{
    (void)state;
    char *path = add("sha256-x", 1024), *verified = in_cache("sha256-x/verified");
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(path, NULL, &c, &f), 0);
    cache_release(&c);
    struct buf note = BUF_INIT;
    assert_int_equal(file_read(verified, 4096, &note, NULL), 0);
    memcpy(note.data, other_hash, 64);
    assert_int_equal(file_write(verified, note.data, note.len, 0644, NULL), 0);
    assert_int_equal(cache_take(path, other_hash, &c, &f), 0);
    cache_release(&c);
    assert_int_equal(truncate(path, 2048), 0);
    assert_int_equal(cache_take(path, other_hash, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-checksum");
    buf_clear(&note);
    free(verified);
    free(path);
}

static void an_evicted_image_is_the_sites_fault_a_missing_one_the_jobs(void **state)
{
    (void)state;
    char *cached = in_cache("sha256-x/image"), *plain = xasprintf("%s/image", dir);
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(cached, NULL, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-missing");
    assert_string_equal(vm_failure_blame(&f), "site");
    assert_int_equal(cache_take(plain, NULL, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-missing");
    assert_string_equal(vm_failure_blame(&f), "job");
    free(cached);
    free(plain);
}

static void an_image_outside_a_cache_is_only_checked(void **state)
{
    (void)state;
    char *path = xasprintf("%s/image", dir), *zeros = xcalloc(1, 1024);
    assert_int_equal(file_write(path, zeros, 1024, 0644, NULL), 0);
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(path, zeros_hash, &c, &f), 0);
    assert_int_equal(c.lock, -1);
    cache_release(&c);
    assert_int_equal(cache_take(path, other_hash, &c, &f), -1);
    assert_string_equal(vm_reason_name(f.reason), "image-checksum");
    assert_int_equal(access(path, F_OK), 0);
    free(zeros);
    free(path);
}

/* Say that an entry was last used at `when`. */
static void used(const char *key, time_t when)
{
    char *name = xasprintf("%s/lock", key), *lock = in_cache(name);
    assert_int_equal(file_write(lock, "", 0, 0600, NULL), 0);
    const struct timespec t = {.tv_sec = when};
    assert_int_equal(utimensat(AT_FDCWD, lock, (struct timespec[]){t, t}, 0), 0);
    free(lock);
    free(name);
}

static void evict(uint64_t max_bytes, uint64_t max_age_s, time_t now)
{
    char *cache = in_cache("");
    cache[strlen(cache) - 1] = '\0';
    cache_evict(cache, max_bytes, max_age_s, now);
    free(cache);
}

static const time_t day_s = 86400;

static void images_not_used_for_long_are_removed(void **state)
{
    (void)state;
    time_t now = time(NULL);
    free(add("sha256-a", 8192));
    free(add("sha256-b", 8192));
    used("sha256-a", now + 1);
    used("sha256-b", now + 9 * day_s);
    evict(0, (uint64_t)(5 * day_s), now + 10 * day_s);
    assert_false(is_there("sha256-a"));
    assert_true(is_there("sha256-b"));
}

static void the_longest_unused_go_first_when_space_is_short(void **state)
{
    (void)state;
    enum { N = 8 }; /* so many that the directory's own order is not the right one by chance */
    time_t now = time(NULL);
    char key[N][16];
    for (int i = 0; i < N; i++) {
        snprintf(key[i], sizeof key[i], "sha256-%d", i * 5 % N);
        free(add(key[i], 8192));
        used(key[i], now + (i + 1) * day_s);
    }
    evict(3 * 8192, 0, now + 10 * day_s);
    for (int i = 0; i < N; i++)
        assert_int_equal(is_there(key[i]), i >= N - 3);
    evict(1, 0, now + 10 * day_s);
    for (int i = 0; i < N; i++)
        assert_false(is_there(key[i]));
}

static void an_image_in_use_is_never_removed(void **state)
{
    (void)state;
    char *path = add("sha256-a", 1024);
    struct cached_image c;
    struct vm_failure f;
    assert_int_equal(cache_take(path, NULL, &c, &f), 0);
    evict(1, 1, time(NULL) + 100 * day_s);
    assert_true(is_there("sha256-a"));
    cache_release(&c);
    evict(1, 1, time(NULL) + 100 * day_s);
    assert_false(is_there("sha256-a"));
    free(path);
}

static void fresh_images_stay_even_when_space_is_short(void **state)
{
    (void)state;
    free(add("sha256-a", 8192));
    used("sha256-a", 1000);
    evict(1, 3600, time(NULL));
    assert_true(is_there("sha256-a"));
}

static void no_limit_removes_nothing(void **state)
{
    (void)state;
    free(add("sha256-a", 8192));
    evict(0, 0, time(NULL) + 1000 * day_s);
    assert_true(is_there("sha256-a"));
}

static void links_to_what_is_gone_are_removed(void **state)
{
    (void)state;
    free(add("sha256-a", 8192));
    char *dangling = in_cache("u-1-2-3"), *good = in_cache("u-4-5-6");
    assert_int_equal(symlink("sha256-gone", dangling), 0);
    assert_int_equal(symlink("sha256-a", good), 0);
    evict(1, 0, time(NULL));
    assert_false(is_there("u-1-2-3"));
    assert_true(is_there("u-4-5-6"));
    free(dangling);
    free(good);
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_dir(an_image_is_named_by_its_content_after_its_first_use),
        with_dir(two_names_of_one_content_share_one_copy),
        with_dir(a_wrong_checksum_removes_the_entry),
        with_dir(a_damaged_image_removes_the_entry),
        with_dir(an_image_is_hashed_once_until_it_changes),
        with_dir(an_evicted_image_is_the_sites_fault_a_missing_one_the_jobs),
        with_dir(an_image_outside_a_cache_is_only_checked),
        with_dir(images_not_used_for_long_are_removed),
        with_dir(the_longest_unused_go_first_when_space_is_short),
        with_dir(an_image_in_use_is_never_removed),
        with_dir(fresh_images_stay_even_when_space_is_short),
        with_dir(no_limit_removes_nothing),
        with_dir(links_to_what_is_gone_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
