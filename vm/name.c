#include "vm/name.h"

#include <string.h>

static bool is_safe_part(const char *p, size_t n)
{
    if (n == 0 || n > 255 || (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'))))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            return false;
    return true;
}

bool vm_name_is_safe(const char *name)
{
    if (strnlen(name, VM_NAME_MAX + 1) > VM_NAME_MAX)
        return false;
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (!is_safe_part(p, n))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}

bool vm_token_is_safe(const char *token)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t n = strnlen(token, 129);
    return n > 0 && n <= 128 && token[0] != '.' && strspn(token, allowed) == n;
}
