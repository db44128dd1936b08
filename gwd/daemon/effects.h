/* Doing what the engine asked for. */
#ifndef GWD_DAEMON_EFFECTS_H
#define GWD_DAEMON_EFFECTS_H

#include "gwd/daemon/daemon.h"

void effect_perform(struct daemon *d, struct effect *effect);

#endif
