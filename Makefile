# gwd: make, make check, make demo, make install. HACKING.md says what is where.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B := build

CC ?= gcc
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wwrite-strings -Wformat=2
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -DGW_VERSION='"$(VERSION)"' $(WARN) $(CFLAGS) $(CFLAGS_EXTRA)
LDFLAGS_ALL = -Wl,--as-needed $(LDFLAGS)

# Each program: the file with its main, and the libraries that it needs beside our own objects.
PROGRAMS := bin/gwd bin/gw libexec/gw_im_static libexec/gw_tm_local libexec/gw_em_fork \
            libexec/gw_fake libexec/gwvm
MAIN_bin/gwd := gwd/daemon/main.c
MAIN_bin/gw := cli/main.c
MAIN_libexec/gw_im_static := im/static.c
MAIN_libexec/gw_tm_local := tm/local.c
MAIN_libexec/gw_em_fork := em/fork.c
MAIN_libexec/gw_fake := drivers/fake.c
MAIN_libexec/gwvm := wrappers/gwvm/main.c

LIBS_bin/gwd := -luv -lsqlite3 -ljansson -luuid
LIBS_bin/gw := -ljansson -lsmartcols -luuid
LIBS_libexec/gw_im_static :=
LIBS_libexec/gw_tm_local :=
LIBS_libexec/gw_em_fork :=
LIBS_libexec/gw_fake := -ljansson
# gwvm travels to sites that have libvirt and QEMU and nothing of ours: the rest is linked in.
LIBS_libexec/gwvm := -lvirt -Wl,-Bstatic -larchive -lexpat -luuid -lz -lcrypto -Wl,-Bdynamic
LIBS_TEST := -lcmocka -luv -lsqlite3 -ljansson -lsmartcols -luuid -lvirt -larchive -lexpat -lcrypto

COMMANDS := gwsubmit gwps gwhost gwkill gwwait gwhistory gwlogs

MAINS := $(foreach p,$(PROGRAMS),$(MAIN_$(p)))
SOURCES := $(wildcard lib/*.c wire/*.c spec/*.c vm/*.c gwd/*/*.c client/*.c cli/*.c drivers/*.c im/*.c \
             tm/*.c em/*.c wrappers/*/*.c)
OBJECTS := $(SOURCES:%.c=$(B)/obj/%.o)
PARTS := $(filter-out $(MAINS:%.c=$(B)/obj/%.o),$(OBJECTS))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))

all: $(PROGRAMS:%=$(B)/%) $(COMMANDS:%=$(B)/bin/%) $(B)/libexec/gw_wrapper.sh

# Only what a program uses is taken from the archive.
$(B)/libgw.a: $(PARTS)
	@rm -f $@
	@ar rcs $@ $^

.SECONDEXPANSION:
$(PROGRAMS:%=$(B)/%): $(B)/%: $(B)/obj/$$(basename $$(MAIN_$$*)).o $(B)/libgw.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_$*) -lpthread

$(COMMANDS:%=$(B)/bin/%): $(B)/bin/gw
	@ln -sf gw $@

$(B)/libexec/gw_wrapper.sh: wrappers/gw_wrapper.sh
	@mkdir -p $(@D)
	@install -m 755 $< $@

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/%: tests/unit/%.c $(B)/libgw.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(B)/libgw.a $(LIBS_TEST) -lpthread

tests: $(UNIT_TESTS)

clean:
	rm -rf $(B)

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:%=%.d)
.PHONY: all tests clean
