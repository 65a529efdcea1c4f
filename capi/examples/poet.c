/* Writes verse with the model in model.h, goes back to where it was saved, and writes the same.
 * Any C11 or C++ compiler builds it, for a chip or the desk; its printf is the only thing it asks for. */
#include <stdio.h>

#include "lstm.h"
#include "model.h"

static lstm_generator generator;
/* Of a model, lstm_model_describe tells how many words it needs. */
static uint32_t workspace[1024];
static uint8_t snapshot[1024];

static int refuse(const lstm_error *error)
{
    char line[160];
    lstm_error_text(error, line, sizeof line);
    printf("error: %s\n", line);
    return 1;
}

static void write_line(const lstm_model *model, int characters)
{
    uint8_t token;
    char text[LSTM_CHARACTER_BYTES];
    while (characters-- > 0 && lstm_generator_next(&generator, &token) == LSTM_OK
           && lstm_model_decode(model, token, text, sizeof text) == LSTM_OK)
        printf("%s", text);
    printf("\n");
}

int main(void)
{
    static const char prompt[] = "shall i compare thee ";
    lstm_model model;
    lstm_error error;
    size_t bytes = 0;

    if (lstm_model_init(&model, model_file, sizeof model_file, &error)
        || lstm_generator_init(&generator, &model, workspace, sizeof workspace / 4, 1, &error)
        || lstm_generator_set(&generator, 0.8f, 256, 1.0f, &error)
        || lstm_generator_read(&generator, prompt, sizeof prompt - 1, &error))
        return refuse(&error);
    write_line(&model, 200);

    lstm_generator_snapshot_bytes(&generator, &bytes);
    if (bytes > sizeof snapshot || lstm_generator_save(&generator, snapshot, bytes, &error))
        return refuse(&error);
    write_line(&model, 60);
    if (lstm_generator_restore(&generator, snapshot, bytes, &error))
        return refuse(&error);
    write_line(&model, 60);
    return 0;
}
