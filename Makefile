# pgoutbox. `make demo` shows it at work, `make check` proves it, `make help` lists the rest.
#   SANITIZE=1   build and test with AddressSanitizer and UBSan (own build folder)
#   CC=clang     any C11 compiler with GNU extensions
#   V=1          show the commands
#   PGOUTBOX_PG=17  the private Postgres, where several are installed: a version, or the folder of its programs
#   T=NAME       `make check T=http2` runs only the test programs whose name contains NAME

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0
JOBS    ?= $(shell nproc)

CC       = gcc
PACKAGES = libpq libcurl libnghttp2 openssl json-c
VARIANT := $(notdir $(CC))$(if $(SANITIZE),-sanitize)
B       := build/$(VARIANT)

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
OPTIMISE = $(if $(SANITIZE),-O1 -fsanitize=address$(,)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-O2)
,       := ,
CFLAGS  ?= -g
ALL_CFLAGS  = -std=gnu11 $(WARNINGS) $(OPTIMISE) $(CFLAGS) -D_GNU_SOURCE -DPGOUTBOX_VERSION='"$(VERSION)"' \
              -Isrc -I$(B)/gen -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
ALL_LDFLAGS = $(if $(SANITIZE),-fsanitize=address$(,)undefined) $(LDFLAGS)
LIBS        = $(shell pkg-config --libs $(PACKAGES)) -lm
CHECK_LIBS  = $(shell pkg-config --libs check)

# What a production host runs, and what stands in for the world around it in demo, tests and measurements.
INSTALLED   = outbox-dispatcher outbox-scheduler outboxctl
PROGRAMS    = $(INSTALLED) outbox-sandbox outbox-bench
sources     = $(sort $(foreach folder,$(1),$(wildcard $(folder)/*.c $(folder)/*/*.c)))
LIB_SOURCES = $(filter-out %/main.c,$(call sources,$(wildcard src/*)))
SQL_FILES   = $(wildcard src/*/sql/*.sql tools/*/sql/*.sql)
SQL_PARTS   = $(wildcard src/*/sql/parts/*.sql)
TESTS       = $(patsubst tests/%.c,%,$(wildcard tests/unit/*.c tests/heart/*.c tests/sql/*.c tests/e2e/*.c))

outbox-dispatcher_SOURCES = src/dispatcher/main.c
outbox-scheduler_SOURCES  = src/scheduler/main.c
outboxctl_SOURCES         = $(call sources,tools/outboxctl)
outbox-sandbox_SOURCES    = $(call sources,tools/sandbox)
outbox-bench_SOURCES      = $(call sources,tools/bench)

# What one program needs and no other: the sandbox judges DKIM signatures with code that is not ours.
outbox-sandbox_LIBS = $(shell pkg-config --libs opendkim)

LIB           = $(B)/libpgoutbox.a
SUPPORT       = $(B)/libsupport.a
FAKES         = $(patsubst %.c,$(B)/%.o,$(wildcard tests/fakes/*.c))
LIB_OBJECTS   = $(LIB_SOURCES:%.c=$(B)/%.o) $(B)/gen/statements.o
objects       = $($(1)_SOURCES:%.c=$(B)/%.o)
PROGRAM_PATHS = $(PROGRAMS:%=$(B)/bin/%)
TEST_PATHS    = $(TESTS:%=$(B)/tests/%)

SAY_CC = $(if $(V),,@echo "  CC $<"; )
SAY_LD = $(if $(V),,@echo "  LD $@"; )

.PHONY: all check interop demo up down bench install clean format lint lint-sources lint-objects schema help
.SECONDARY:
.DELETE_ON_ERROR:

# Installs missing packages with apt where it can, and says what is missing where it cannot: deps-GOAL.
deps-%:
	@tools/scripts/install-deps $*

all: deps-demo
	@$(MAKE) --no-print-directory -j$(JOBS) programs

programs: $(PROGRAM_PATHS)
tests: $(TEST_PATHS)

help:
	@echo 'make demo     build, start everything privately, deliver notifications, show them, stop'
	@echo 'make check    build and run all tests against a private Postgres'
	@echo 'make interop  our code against that of others, from npm and Debian; needs a network'
	@echo 'make up/down  the demo stack in the background: start, stop'
	@echo 'make bench    measure speed, memory and latency on this machine'
	@echo 'make install  PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make schema   writes sql/schema.sql: what a migrated database holds'
	@echo 'make format   clang-format all sources;  make lint: format, layers, names, SQL, shell scripts'

# What lint finds keeps no test from being run: another system's linters may find more.
check: deps-lint
	@$(MAKE) --no-print-directory -j$(JOBS) programs tests
	@$(MAKE) --no-print-directory -k lint && lint=good || lint=bad; tests/run $(B) $(T) && \
	    { [ $$lint = good ] || { echo 'lint found faults: see above the tests'; false; }; }

# Against other people's code. Needs a network, and root for Debian's packages.
interop: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) programs tests
	@tests/interop/run $(B) $(T)

demo: all
	@tools/scripts/demo $(B)/bin
up: all
	@tools/scripts/stack up $(B)/bin
down:
	@tools/scripts/stack down
bench: all
	@tools/scripts/bench $(B)/bin

# A migration of a former version that was renamed, or is gone, would be applied with the others.
install: deps-install
	@$(MAKE) --no-print-directory -j$(JOBS) $(INSTALLED:%=$(B)/bin/%)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pgoutbox/migrations
	install -m 755 $(INSTALLED:%=$(B)/bin/%) $(DESTDIR)$(PREFIX)/bin
	rm -f $(DESTDIR)$(PREFIX)/share/pgoutbox/migrations/*.sql
	install -m 644 sql/migrations/*.sql $(DESTDIR)$(PREFIX)/share/pgoutbox/migrations

clean:
	rm -rf build

FORMATTED = $(foreach root,src tools tests,$(wildcard $(root)/*/*.[ch] $(root)/*/*/*.[ch]))
format:
	@tools/scripts/format write $(FORMATTED)
lint: lint-sources lint-objects
lint-sources:
	@tools/scripts/format check $(FORMATTED)
	@tools/scripts/lint
lint-objects: $(PROGRAM_PATHS) $(TEST_PATHS)
	@tools/scripts/lint-objects $(B)

schema: all
	@tools/scripts/schema new $(B)/bin >$(B)/schema.sql
	@mv $(B)/schema.sql sql/schema.sql

# Embedded by the assembler, so the compiler's dependency files do not know it.
$(B)/tools/sandbox/view/page.o: tools/sandbox/view/page.html

# One statement, one file: src/*/sql/NAME.sql becomes `const struct db_statement sql_NAME`. The folders count too, so
# that a removed file is noticed.
$(B)/gen/statements.c $(B)/gen/statements.h &: $(SQL_FILES) $(SQL_PARTS) $(sort $(dir $(SQL_FILES))) tools/scripts/embed-sql
	@mkdir -p $(B)/gen
	@tools/scripts/embed-sql $(B)/gen $(SQL_FILES)

$(B)/%.o: %.c | $(B)/gen/statements.h
	@mkdir -p $(@D)
	$(SAY_CC)$(CC) $(ALL_CFLAGS) -Itools -Itests -MMD -MP -c -o $@ $<
$(B)/gen/%.o: $(B)/gen/%.c
	$(SAY_CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^
$(SUPPORT): $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
	@rm -f $@
	@ar rcs $@ $^

.SECONDEXPANSION:
$(B)/bin/%: $$(call objects,%) $(LIB)
	@mkdir -p $(@D)
	$(SAY_LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $($*_LIBS)
# Between fakes of the loop, the database, the network and the adapters: they come before the library, which is then
# never asked for the real ones.
$(filter $(B)/tests/heart/%,$(TEST_PATHS)): %: %.o $(FAKES) $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(SAY_LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)
$(B)/tests/%: $(B)/tests/%.o $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(SAY_LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

clean-variant:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
