/* gw_em_gram5 for one credential, which is what a worker of the router is (drivers/workers.h). */
#ifndef EM_GRAM5_DRIVER_H
#define EM_GRAM5_DRIVER_H

#include "drivers/kit.h"

#define GRAM5_FEATURES                                                                             \
    (KIT_PCT | KIT_HANDLES | KIT_RECOVER_TOKEN | KIT_COMMIT | KIT_BLAME | KIT_CREDENTIAL |         \
     KIT_INLINE)

/* Serves until gwd has no more requests. Does not return: leaving by exit(3) would have the Globus
 * libraries tidy up, which waits for sites, and aborts when one of them answers late. */
int gram5_serve(void);

#endif
