/* Tells what somebody with a smart watch does: the model in model.h reads ten seconds of three axes of
 * acceleration and three of rotation; motions.h has some that were recorded, in place of a sensor.
 * Any C11 or C++ compiler builds it, for a chip or the desk; its printf is the only thing it asks for. */
#include <stdio.h>

#include "lstm.h"
#include "model.h"
#include "motions.h"

static lstm_sensor sensor;
/* Of a model, lstm_model_describe tells how many words it needs. */
static uint32_t workspace[256];

static int refuse(const lstm_error *error)
{
    char line[160];
    lstm_error_text(error, line, sizeof line);
    printf("error: %s\n", line);
    return 1;
}

/* The class and its probability in hundredths. */
static int write_answer(const lstm_model *model, lstm_error *error)
{
    char name[LSTM_NAME_BYTES];
    size_t best;
    uint16_t probability;
    unsigned long hundredths;
    if (lstm_sensor_class(&sensor, &best, error)
        || lstm_sensor_probability_q15(&sensor, best, &probability, error)
        || lstm_model_output_name(model, best, name, sizeof name, error))
        return 1;
    hundredths = (probability * 100ul + 16384) / 32768;
    printf("%s %lu.%02lu\n", name, hundredths / 100, hundredths % 100);
    return 0;
}

int main(void)
{
    lstm_model model;
    lstm_error error;
    bool is_answered;

    if (lstm_model_init(&model, model_file, sizeof model_file, &error)
        || lstm_sensor_init(&sensor, &model, workspace, sizeof workspace / 4, &error))
        return refuse(&error);
    for (size_t i = 0; i < sizeof motions / sizeof motions[0]; i++) {
        if (lstm_sensor_step(&sensor, motions[i], sizeof motions[i] / sizeof motions[i][0], &is_answered, &error)
            || (is_answered && write_answer(&model, &error)))
            return refuse(&error);
    }
    return 0;
}
