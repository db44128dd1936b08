# gwd: make, make demo, make check, make install. Needs nothing but make until a rule runs, so that
# `make demo` can install the compiler. HACKING.md says what is where.

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DESTDIR ?=
B := build

ifeq ($(origin CC),default)
CC := gcc
endif
# Frame pointers, so that a running daemon can be profiled.
CFLAGS ?= -O2 -g -fno-omit-frame-pointer -D_FORTIFY_SOURCE=2 -fstack-protector-strong
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wwrite-strings -Wformat=2 \
        -Wconversion -Wno-sign-conversion
# The compiler cannot know that gw_err_set() returns a negative number, and takes what stays unset then for read.
WARN += -Wno-maybe-uninitialized
# make check SAN=1: everything with the address and undefined behaviour sanitizers, in its own directory.
ifdef SAN
B := build-san
CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
# make fuzzers FUZZ=1, which `make fuzz` calls: the same with clang, which also notes the way that an input takes.
ifdef FUZZ
B := build-fuzz
CC := clang
# Comparisons of numbers are not traced (those of texts are): it took a third of the time.
CFLAGS := -O2 -gline-tables-only -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-coverage=trace-cmp \
          -fno-sanitize-recover=undefined -fno-omit-frame-pointer
WARN :=
endif
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -DGW_VERSION='"$(VERSION)"' $(WARN) $(CFLAGS) $(CFLAGS_EXTRA)
LDFLAGS_ALL = -Wl,--as-needed -Wl,-z,relro,-z,now $(LDFLAGS)

# As many at a time as there are processors, unless the command line says otherwise (it wins).
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
# make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)")

# Each program: the file with its main, and the libraries that it needs beside our own objects.
PROGRAMS := bin/gwd bin/gw libexec/gw_credential libexec/gw_im_static libexec/gw_tm_local libexec/gw_em_fork \
            libexec/gw_fake libexec/gwvm libexec/gw_wrapper libexec/gw_launch
# Drivers for Globus and LDAP sites: where their libraries are (tools/deps grid).
GLOBUS_MODULES := globus-gram-client globus-gram-protocol globus-gass-copy globus-gass-transfer globus-ftp-client globus-ftp-control \
                  globus-gss-assist globus-gsi-credential globus-gssapi-gsi globus-gssapi-error globus-common
HAVE_GLOBUS := $(shell pkg-config --exists $(GLOBUS_MODULES) 2>/dev/null && echo yes)
HAVE_LDAP := $(shell pkg-config --exists ldap lber 2>/dev/null && echo yes)
PROGRAMS += $(if $(HAVE_GLOBUS),libexec/gw_em_gram5 libexec/gw_tm_gass)
PROGRAMS += $(if $(HAVE_LDAP),libexec/gw_im_glue)
MAIN_libexec/gw_em_gram5 := em/gram5/main.c
MAIN_libexec/gw_tm_gass := tm/gass/main.c
MAIN_libexec/gw_im_glue := im/glue/main.c
ifdef HAVE_GLOBUS
LIBS_GLOBUS := $(shell pkg-config --libs $(GLOBUS_MODULES)) -lssl -lcrypto
# As system headers: their own warnings are not ours. Asked once, not for each file.
CFLAGS_GLOBUS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(GLOBUS_MODULES)))
ALL_CFLAGS += $(CFLAGS_GLOBUS)
endif
LIBS_LDAP := $(if $(HAVE_LDAP),-lldap -llber)
LIBS_libexec/gw_em_gram5 = $(LIBS_GLOBUS)
LIBS_libexec/gw_tm_gass = $(LIBS_GLOBUS)
LIBS_libexec/gw_im_glue = $(LIBS_LDAP)

MAIN_bin/gwd := gwd/daemon/main.c
MAIN_bin/gw := cli/main.c
MAIN_libexec/gw_credential := cli/credential.c
MAIN_libexec/gw_im_static := im/static.c
MAIN_libexec/gw_tm_local := tm/local.c
MAIN_libexec/gw_em_fork := em/fork.c
MAIN_libexec/gw_fake := drivers/fake.c
MAIN_libexec/gwvm := wrappers/gwvm/main.c
MAIN_libexec/gw_wrapper := wrappers/plain/main.c
MAIN_libexec/gw_launch := launcher/gw_launch.c

LIBS_bin/gwd := -luv -lsqlite3 -ljansson -luuid -lcrypto
# The commands start a thousand times a second: linked statically they take a third of the time, most of which
# went into loading libraries. With sanitizers that cannot be.
LIBS_bin/gw := -ljansson
LDFLAGS_bin/gw := $(if $(SAN),,-static-pie)
LIBS_libexec/gw_credential := -lcrypto
LIBS_libexec/gw_im_static :=
LIBS_libexec/gw_tm_local :=
LIBS_libexec/gw_em_fork :=
LIBS_libexec/gw_fake := -ljansson
# Started once for each job: nothing is loaded. (Sanitizers need a dynamic program.)
LIBS_libexec/gw_wrapper := $(if $(SAN),,-static)
# gwvm travels to sites that have libvirt and QEMU and nothing of ours: the rest is linked in, and kept from the
# site's libraries, which would else take our OpenSSL for theirs.
LIBS_libexec/gwvm := -lvirt -Wl,--exclude-libs,ALL -Wl,-Bstatic -larchive -lz -lcrypto -Wl,-Bdynamic
# A target may have its own of a function of ours (tests/fuzz/daemon_fuzz.c: the store).
LIBS_FUZZ := -lexpat -Wl,-z,muldefs
LIBS_TEST = $(LIBS_GLOBUS) $(LIBS_LDAP) -lcmocka -luv -lsqlite3 -ljansson -luuid -lvirt -larchive -lcrypto

# Programs that measure; LIBS_TEST has what any of them needs.
BENCHES := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))

# Of the fault matrix: programs, and libraries that stand between a program and the system (NAME_preload.c).
FAULT_TOOLS := $(patsubst tests/fault/%.c,$(B)/fault/%,$(filter-out %_preload.c,$(wildcard tests/fault/*.c))) \
               $(patsubst tests/fault/%.c,$(B)/fault/%.so,$(wildcard tests/fault/*_preload.c))

COMMANDS := gwsubmit gwps gwhost gwkill gwwait gwhistory gwlogs gwuser
SCRIPTS := libexec/gw_wrapper.sh

MAINS := $(foreach p,$(PROGRAMS),$(MAIN_$(p)))
SOURCES := $(wildcard lib/*.c wire/*.c spec/*.c vm/*.c gwd/*/*.c sim/*.c client/*.c cli/*.c drivers/*.c im/*.c \
             tm/*.c em/*.c wrappers/*/*.c launcher/*.c $(if $(HAVE_GLOBUS),gsi/*.c em/gram5/*.c tm/gass/*.c) $(if $(HAVE_LDAP),im/glue/*.c))
OBJECTS := $(SOURCES:%.c=$(B)/obj/%.o)
PARTS := $(filter-out $(MAINS:%.c=$(B)/obj/%.o),$(OBJECTS))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
ifndef HAVE_GLOBUS
UNIT_TESTS := $(filter-out $(B)/tests/gsi_% $(B)/tests/gram5_% $(B)/tests/gass_%,$(UNIT_TESTS))
endif
# Each target of tests/fuzz is a program of its own with libFuzzer; without it, all are in one unit test.
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
ifndef HAVE_GLOBUS
FUZZ_TARGETS := $(filter-out gram gass,$(FUZZ_TARGETS))
endif
ifndef HAVE_LDAP
FUZZ_TARGETS := $(filter-out glue,$(FUZZ_TARGETS))
endif
FUZZERS := $(FUZZ_TARGETS:%=$(B)/fuzz/%)
FUZZ_OBJECTS := $(FUZZ_TARGETS:%=$(B)/obj/tests/fuzz/%_fuzz.o)
UNIT_TESTS += $(B)/tests/fuzz_test
SHELL_FILES = $(shell grep -lE '^\#!/bin/(ba)?sh' .ci/run tests/run tests/layers tests/fault/run tests/fuzz/run tests/grid/* tools/* bench/* tests/*.sh tests/*/*.sh \
                      wrappers/*.sh guest/* 2>/dev/null)

all: $(PROGRAMS:%=$(B)/%) $(COMMANDS:%=$(B)/bin/%) $(SCRIPTS:%=$(B)/%)

# What the objects were made with, and of which: when either changes, everything is made again. The
# warnings that only `make check` turns into errors do not count.
$(B)/made-with: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(SOURCES)' >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Only what a program uses is taken from the archive. Files of one name in two folders are both in it (q, not r).
$(B)/libgw.a: $(PARTS) $(B)/made-with
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar qcs $@ $(PARTS)

.SECONDEXPANSION:
$(PROGRAMS:%=$(B)/%): $(B)/%: $(B)/obj/$$(basename $$(MAIN_$$*)).o $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS_ALL) $(LDFLAGS_$*) -o $@ $^ $(LIBS_$*) -lpthread -lm

$(COMMANDS:%=$(B)/bin/%): $(B)/bin/gw
	@ln -sf gw $@

$(B)/libexec/gw_wrapper.sh: wrappers/gw_wrapper.sh
	@mkdir -p $(@D)
	@install -m 755 $< $@

$(B)/obj/%.o: %.c $(B)/made-with
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(WERROR) -MMD -MP -c -o $@ $<

# Its assembler reads the file, which -MMD does not see.
$(B)/obj/vm/runner.o: guest/run.sh
$(B)/obj/gwd/engine/nsh.o: wrappers/gw_nsh.sh

# A table of cases may put literals where the program has texts of its own.
$(B)/tests/%: tests/unit/%.c $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-write-strings $(WERROR) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(B)/libgw.a $(LIBS_TEST) -lpthread -lm

$(B)/obj/tests/fuzz/%_fuzz.o: tests/fuzz/%_fuzz.c $(B)/made-with
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-write-strings $(WERROR) -DLLVMFuzzerTestOneInput=fuzz_$* -MMD -MP -c -o $@ $<

$(B)/tests/fuzz_test: tests/fuzz/replay.c $(FUZZ_OBJECTS) $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(WERROR) $(LDFLAGS_ALL) '-DFUZZ_TARGETS=$(foreach t,$(FUZZ_TARGETS),X($t))' -MMD -MP -MF $@.d -o $@ $< \
	    $(FUZZ_OBJECTS) $(B)/libgw.a $(LIBS_TEST) $(LIBS_FUZZ) -lpthread -lm

$(B)/bench/%: bench/%.c $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,BENCH,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(WERROR) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(B)/libgw.a \
	    -luv -lsqlite3 -ljansson -luuid -lcrypto -lpthread -lm

$(B)/fault/%.so: tests/fault/%.c $(B)/made-with
	@mkdir -p $(@D)
	$(call say,FAULT,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(WERROR) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -fPIC -shared -o $@ $< -ldl

$(B)/fault/%: tests/fault/%.c $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,FAULT,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(WERROR) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(B)/libgw.a $(LIBS_TEST) -lpthread -lm

tests: $(UNIT_TESTS) $(FAULT_TOOLS)

benches: $(BENCHES)

deps:
	@tools/deps

deps-run:
	@tools/deps run

# A small guest that boots; made once, and again when what it is made of changes.
image:
	@mkdir -p build
	@guest/gw-mkimage build/guest.qcow2

demo:
	@tools/deps build run
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory image
	@tools/demo

check:
	@tools/deps build run test grid
	@$(MAKE) --no-print-directory WERROR=-Werror all tests benches
	@$(MAKE) --no-print-directory image
	@BUILD=$(B) tests/run

# Apart from `make check`, because they take long: a Debian cloud image made and booted; the README's two
# commands in a fresh Debian.
check-cloudimg: all image
	@BUILD=$(B) tests/system/cloudimg.sh

check-chroot:
	@tests/system/bare-chroot.sh

# A shell with a gwd and a grid of two GRAM5 and GridFTP sites; and the tests that need such a grid alone.
grid:
	@tools/deps build run test grid </dev/null
	@$(MAKE) --no-print-directory all </dev/null
	@$(MAKE) --no-print-directory image </dev/null
	@tools/grid-shell

check-grid:
	@tools/deps build run test grid
	@$(MAKE) --no-print-directory WERROR=-Werror all
	@$(MAKE) --no-print-directory image
	@BUILD=$(B) tests/run $(filter-out grid_lib.sh,$(notdir $(wildcard tests/system/grid_*.sh)))

# Every figure of docs/performance.md, beside its goal and what this machine does without us. Takes an hour and a half,
# an hour of it the soak; BENCH="--rounds 1 submit" and such narrow it (bench/run --help).
bench:
	@tools/deps build run test
	@$(MAKE) --no-print-directory all benches
	@BUILD=$(B) bench/run $(BENCH)

# The fault matrix in full, ending with a line for each fault; under two hours. FAULT="--seed 7 crash" narrows it (tests/fault/run --help).
fault:
	@tools/deps build run test grid fuzz
	@$(MAKE) --no-print-directory all tests benches
	@$(MAKE) --no-print-directory image
	@BUILD=$(B) tests/fault/run $(FAULT)

# Jobs per second at a real site, beside what globusrun alone reaches there (root).
bench-grid: all
	@BUILD=$(B) bench/grid

layers:
	@tests/layers

$(B)/fuzz/%: tests/fuzz/%_fuzz.c $(B)/libgw.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang $(ALL_CFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -o $@ $< $(B)/libgw.a $(LIBS_TEST) $(LIBS_FUZZ) -lpthread -lm

fuzzers: $(FUZZERS)

# All that is read from outside against invented input: FUZZ_S seconds for each target, or FUZZ_N inputs; FUZZ_ONLY="rsl kv".
FUZZ_S ?= 60
fuzz:
	@tools/deps build run test grid fuzz
	@$(MAKE) --no-print-directory FUZZ=1 $(if $(FUZZ_ONLY),$(FUZZ_ONLY:%=build-fuzz/fuzz/%),fuzzers)
	@tests/fuzz/run $(if $(FUZZ_N),--runs $(FUZZ_N),--seconds $(FUZZ_S)) $(FUZZ_ONLY)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

lint: lint-format lint-c lint-shell layers

lint-format:
	@clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

lint-c:
	@if command -v cppcheck >/dev/null; then \
	    cppcheck --quiet --std=c11 -I. -D_GNU_SOURCE --enable=warning,portability --inline-suppr --error-exitcode=1 \
	        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=uninitvar $(SOURCES); \
	else echo "cppcheck is not installed: not run"; fi

lint-shell:
	@if command -v shellcheck >/dev/null; then shellcheck -x -P SCRIPTDIR -S warning $(SHELL_FILES); \
	else echo "shellcheck is not installed: not run"; fi

D_BIN = $(DESTDIR)$(PREFIX)/bin
D_LIBEXEC = $(DESTDIR)$(PREFIX)/libexec/gwd
D_SHARE = $(DESTDIR)$(PREFIX)/share
D_LIB = $(DESTDIR)$(PREFIX)/lib
D_DOC = $(D_SHARE)/doc/gwd
D_COMPLETION = $(D_SHARE)/bash-completion/completions

install: all
	install -d $(D_BIN) $(D_LIBEXEC) $(D_SHARE)/gwd/guest $(D_SHARE)/gwd/examples $(D_DOC)/schema $(D_DOC)/profiles $(D_COMPLETION) \
	    $(DESTDIR)$(SYSCONFDIR)/gwd
	install -m 755 $(filter $(B)/bin/%,$(PROGRAMS:%=$(B)/%)) $(D_BIN)
	for c in $(COMMANDS); do ln -sf gw $(D_BIN)/$$c || exit 1; done
	f=$(D_LIBEXEC)/gw_launch; ! { [ -u $$f ] || getcap $$f 2>/dev/null | grep -q setuid; } || set -- $$(stat -c '%a %G' $$f); \
	    install -m 755 $(filter $(B)/libexec/%,$(PROGRAMS:%=$(B)/%) $(SCRIPTS:%=$(B)/%)) $(D_LIBEXEC) && \
	    { [ $$# = 0 ] || $(MAKE) -s --no-print-directory launcher-privilege LAUNCHER_MODE=$$1 GWD_GROUP=$$2; }
	for f in guest/*; do [ -f $$f ] || continue; m=644; [ ! -x $$f ] || m=755; install -m $$m $$f $(D_SHARE)/gwd/guest || exit 1; done
	for f in examples/*; do m=644; [ ! -x $$f ] || m=755; install -m $$m $$f $(D_SHARE)/gwd/examples || exit 1; done
	install -m 644 README.md NEWS.md LICENSE docs/*.md docs/PROTOCOL $(D_DOC)
	install -m 644 docs/schema/* $(D_DOC)/schema
	install -m 644 docs/profiles/* $(D_DOC)/profiles
	for p in docs/man/*.[1-8]; do install -D -m 644 $$p $(D_SHARE)/man/man$${p##*.}/$${p##*/} || exit 1; done
	install -m 644 etc/launch.conf $(D_SHARE)/gwd
	install -d $(D_LIB)/systemd/system $(D_LIB)/sysusers.d $(D_LIB)/tmpfiles.d $(D_SHARE)/gwd/systemd
	sed 's,@BIN@,$(PREFIX)/bin,; s,@CONF@,$(SYSCONFDIR),' etc/systemd/gwd.service.in >$(D_LIB)/systemd/system/gwd.service
	install -m 644 etc/systemd/gwd.sysusers $(D_LIB)/sysusers.d/gwd.conf
	install -m 644 etc/systemd/gwd.tmpfiles $(D_LIB)/tmpfiles.d/gwd.conf
	install -m 644 etc/systemd/10-remote.conf etc/systemd/20-multi-user.conf $(D_SHARE)/gwd/systemd
	install -m 644 cli/completion.bash $(D_COMPLETION)/gwsubmit
	for c in $(filter-out gwsubmit,$(COMMANDS)); do ln -sf gwsubmit $(D_COMPLETION)/$$c || exit 1; done
	[ -e $(DESTDIR)$(SYSCONFDIR)/gwd/gwd.conf ] || install -m 644 etc/gwd.conf $(DESTDIR)$(SYSCONFDIR)/gwd/gwd.conf

# As root, after install: the launcher gets its privilege, for the group of gwd's account alone (gw_launch(8)), and a later
# install leaves it that. The list is the administrator's to fill, and stays.
GWD_GROUP ?= gwd
LAUNCHER_MODE ?= 750
launcher-privilege:
	chown root:$(GWD_GROUP) $(D_LIBEXEC)/gw_launch
	chmod $(LAUNCHER_MODE) $(D_LIBEXEC)/gw_launch
	[ $(LAUNCHER_MODE) != 750 ] || setcap cap_setuid,cap_setgid=ep $(D_LIBEXEC)/gw_launch

install-multi-user: launcher-privilege
	install -d $(DESTDIR)/etc/gwd
	[ -e $(DESTDIR)/etc/gwd/launch.conf ] || sed 's,/usr/libexec,$(PREFIX)/libexec,' etc/launch.conf >$(DESTDIR)/etc/gwd/launch.conf
	chmod 644 $(DESTDIR)/etc/gwd/launch.conf

# What install puts somewhere is what is taken away again; the configuration is its owner's and stays.
uninstall:
	@rm -rf $(B)/installed
	@$(MAKE) -s --no-print-directory install DESTDIR=$(CURDIR)/$(B)/installed
	@cd $(B)/installed && find . ! -type d ! -path './$(SYSCONFDIR:/%=%)/*' | \
	    while read -r f; do rm -f "$(DESTDIR)/$$f"; done
	@cd $(B)/installed && find . -depth -type d -name gwd ! -path './$(SYSCONFDIR:/%=%)/*' | \
	    while read -r d; do find "$(DESTDIR)/$$d" -depth -type d -empty -delete 2>/dev/null; done; true
	@rm -rf $(B)/installed

clean:
	rm -rf build build-san build-fuzz

FORCE:
-include $(OBJECTS:.o=.d) $(UNIT_TESTS:%=%.d) $(BENCHES:%=%.d) $(FAULT_TOOLS:%=%.d) $(FUZZERS:%=%.d) $(FUZZ_OBJECTS:.o=.d)
.PHONY: all tests benches bench deps deps-run image demo check check-cloudimg check-chroot grid check-grid bench-grid layers fault fuzz fuzzers format lint lint-format lint-c lint-shell install install-multi-user launcher-privilege uninstall clean FORCE
