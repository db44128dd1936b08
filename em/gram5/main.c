/* gw_em_gram5: runs job descriptions at GRAM5 sites (docs/PROTOCOL section 2). */
#include "drivers/workers.h"
#include "em/gram5/driver.h"

int main(int argc, char **argv)
{
    static const struct workers w = {
        .name = "em_gram5", .kind = KIT_EM, .features = GRAM5_FEATURES, .serve = gram5_serve};
    return workers_run(&w, argc, argv);
}
