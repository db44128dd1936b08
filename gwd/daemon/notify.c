/* To the service manager that started gwd, if it is one that wants to hear it (sd_notify(3)):
 * clients can connect now. */
#include "gwd/daemon/daemon.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_ready(void)
{
    static const char ready[] = "READY=1";
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = name ? strlen(name) : 0;
    int fd = len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd >= 0 && len < sizeof to.sun_path) {
        memcpy(to.sun_path, name, len);
        if (name[0] == '@') /* a name without a file */
            to.sun_path[0] = '\0';
        (void)sendto(fd, ready, strlen(ready), MSG_NOSIGNAL, (struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    }
    if (fd >= 0)
        close(fd);
    unsetenv("NOTIFY_SOCKET"); /* it is not for drivers and jobs */
}
