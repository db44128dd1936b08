/* gw_em_gram5: runs job descriptions at GRAM5 sites (docs/PROTOCOL section 2). */
#include "em/gram5/driver.h"

int main(void)
{
    return gram5_serve();
}
