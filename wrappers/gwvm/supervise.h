/* gwvm run: an attempt from vm.conf to status, whatever happens to the process that does the work.
 */
#ifndef WRAPPERS_GWVM_SUPERVISE_H
#define WRAPPERS_GWVM_SUPERVISE_H

/* Exit codes of gwvm */
enum { GWVM_OK = 0, GWVM_FAILED = 1, GWVM_USAGE = 64, GWVM_CONF = 65 };

int gwvm_run(const char *dir);

#endif
