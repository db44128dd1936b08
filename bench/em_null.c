/* An execution driver for benches: every job ends at once, with code 0, and nothing runs. What is
 * left is what gwd and the protocol cost. */
#include "drivers/kit.h"
#include "lib/mem.h"

static void submit(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, "SUBMIT", f->field[1], NULL, "null:%s", f->field[1]);
    kit_succeed(k, "CALLBACK", f->field[1], NULL, "DONE:0");
}

static void say_done(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, f->field[0], f->field[1], NULL, "DONE:0");
}

static void poll_all(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    kit_succeed(k, f->field[0], f->field[1], NULL, "-");
}

int main(void)
{
    static const struct kit_verb verbs[] = {{"SUBMIT", 0, submit},
                                            {"RECOVER", 0, say_done},
                                            {"POLL", 0, poll_all},
                                            {"CANCEL", 0, poll_all}};
    static const struct kit_driver driver = {
        .name = "em_null",
        .kind = KIT_EM,
        .features = KIT_PCT | KIT_HANDLES | KIT_RECOVER_TOKEN | KIT_IDEMPOTENT | KIT_BLAME |
                    KIT_POLL_ALL | KIT_BARE | KIT_INLINE,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
    };
    struct kit *k = kit_create(&driver);
    int code = kit_run(k);
    kit_destroy(k);
    return code;
}
