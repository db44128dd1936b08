/* Names of files in the making at a site: no lock can be had there, so within a process they are
 * told apart by a table, and between processes by what makes up their hash: destination, machine,
 * account, credential file and working directory. The same driver, started again, finds the same
 * name; another daemon, or another user's, does not. */
#ifndef TM_GASS_PARTNAME_H
#define TM_GASS_PARTNAME_H

#include "tm/gass/url.h"

/* The temporary beside `to`, ours until partname_give. -GW_EUNAVAIL: too many copies to one name.
 */
int partname_take(const struct url *to, struct url *ret, struct gw_err *err);
void partname_give(struct url *part);

#endif
