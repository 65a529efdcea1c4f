/* lstm-core for C and C++: a recurrent network on a microcontroller, a step at a time.
 *
 * No heap, no global variable, no call of a library. Every object lies in memory of yours; its size is
 * a constant here. What may go wrong is told by a code (lstm_status), and in a line of text where you
 * give room for it (lstm_error). docs/C.md in the repository has an example.
 *
 * What every function asks for: a pointer leads to memory of its type, and of the length that is told with
 * it, or it is null, which is refused unless it is said to be allowed. Memory of one argument is not that of
 * another, and nothing else uses it during the call. The file of a model and a workspace stay for as long as
 * something uses them. An object that was not made is refused; an lstm_error may always be null.
 *
 * Made from capi/src by cbindgen; a test compares it.
 */

#ifndef LSTM_H
#define LSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Words of `lstm_model`, of the size of a pointer.
 */
#define LSTM_MODEL_WORDS 64

/**
 * Words of `lstm_sampler`.
 */
#define LSTM_SAMPLER_WORDS 16

/**
 * Words of `lstm_session`.
 */
#define LSTM_SESSION_WORDS 72

/**
 * Words of `lstm_generator`.
 */
#define LSTM_GENERATOR_WORDS 128

/**
 * Words of `lstm_sensor`.
 */
#define LSTM_SENSOR_WORDS 88

/**
 * Words of `lstm_error`.
 */
#define LSTM_ERROR_WORDS 10

/**
 * Bytes of a character in UTF-8, with the zero byte after it.
 */
#define LSTM_CHARACTER_BYTES 5

/**
 * Bytes that are enough for the name of every channel, class or value of the models here, with the zero byte after
 * it. A name may be longer; then the function that writes it says so.
 */
#define LSTM_NAME_BYTES 32

/**
 * The code of what a function did.
 */
enum lstm_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It is done.
   */
  LSTM_OK = 0,
  /**
   * A pointer is null.
   */
  LSTM_ERROR_NULL = 1,
  /**
   * A pointer is not on a multiple of what its type asks for.
   */
  LSTM_ERROR_ALIGNMENT = 2,
  /**
   * No memory has such a length.
   */
  LSTM_ERROR_LENGTH = 3,
  /**
   * The object was not made, or its making was refused.
   */
  LSTM_ERROR_NOT_READY = 4,
  /**
   * The text is not UTF-8, or the character is none of Unicode.
   */
  LSTM_ERROR_TEXT = 5,
  /**
   * There is too little room for what is written.
   */
  LSTM_ERROR_CAPACITY = 6,
  /**
   * The file of the model is refused.
   */
  LSTM_ERROR_MODEL = 7,
  /**
   * The workspace is refused: it has too few words.
   */
  LSTM_ERROR_WORKSPACE = 8,
  /**
   * The saved state is refused.
   */
  LSTM_ERROR_SNAPSHOT = 9,
  /**
   * A setting of the sampler is out of range.
   */
  LSTM_ERROR_SAMPLER = 10,
  /**
   * Another error.
   */
  LSTM_ERROR_OTHER = 11,
  /**
   * The values for a step are refused: there are more or fewer than channels.
   */
  LSTM_ERROR_INPUT = 12,
  /**
   * There is no such channel, class or value.
   */
  LSTM_ERROR_INDEX = 13,
  /**
   * Nothing is told yet: no step was answered since the start.
   */
  LSTM_ERROR_NO_OUTPUT = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lstm_status lstm_status;
#else
typedef int32_t lstm_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a step of a model gives.
 */
enum lstm_gives
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The next symbol of a text.
   */
  LSTM_GIVES_SYMBOLS = 0,
  /**
   * One of some classes.
   */
  LSTM_GIVES_CLASSES = 1,
  /**
   * Values in the user's units.
   */
  LSTM_GIVES_VALUES = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lstm_gives lstm_gives;
#else
typedef int32_t lstm_gives;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What went wrong, of which `lstm_error_text` makes a line. It may be copied.
 */
typedef union lstm_error {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_ERROR_WORDS];
} lstm_error;

/**
 * A model: where its file lies, and what it says. It may be copied, as an object of C.
 */
typedef union lstm_model {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_MODEL_WORDS];
} lstm_model;

/**
 * What a model says of itself.
 */
typedef struct lstm_model_info {
  /**
   * Its name in UTF-8, without a zero byte: it lies in the file.
   */
  const char *name;
  /**
   * Bytes of the name.
   */
  size_t name_bytes;
  /**
   * The CRC-32 of the file, which names the model in saved states.
   */
  uint32_t checksum;
  /**
   * Symbols of its alphabet, 1 to 256; 0 if it reads values.
   */
  uint32_t num_symbols;
  /**
   * Values that it reads a step, 1 to 256; 0 if it reads symbols.
   */
  uint32_t num_channels;
  /**
   * Symbols, classes or values that it gives.
   */
  uint32_t num_outputs;
  /**
   * Which of them.
   */
  lstm_gives gives;
  /**
   * Words of the workspace that it needs on this chip, with its window if it reads values.
   */
  size_t workspace_words;
  /**
   * Characters or steps of the windows that it was trained on; 0 if it carries its state.
   */
  size_t window;
} lstm_model_info;

/**
 * A session and a sampler: each token that is drawn is the next that is read.
 */
typedef union lstm_generator {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_GENERATOR_WORDS];
} lstm_generator;

/**
 * A model with its state, which lies in the workspace.
 */
typedef union lstm_session {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_SESSION_WORDS];
} lstm_session;

/**
 * What draws tokens: settings, and random numbers of a seed.
 */
typedef union lstm_sampler {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_SAMPLER_WORDS];
} lstm_sampler;

/**
 * A model that reads values, with its state and its window, which lie in the workspace.
 */
typedef union lstm_sensor {
  /**
   * For its alignment.
   */
  uint64_t align;
  /**
   * Nothing for a program.
   */
  size_t words[LSTM_SENSOR_WORDS];
} lstm_sensor;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What a code means, in a line that ends with a zero byte. For numbers that are no code too.
 */
const char *lstm_status_text(int32_t status);

/**
 * Writes a line about an error, what was found and what is expected, into `text`, which has room for
 * `capacity` bytes. It ends with a zero byte and is cut where there is no room. Gives the bytes of the
 * whole line without the zero byte; 0 where `error` holds none, or where `text` cannot be written.
 */
size_t lstm_error_text(const union lstm_error *error,
                       char *text,
                       size_t capacity);

/**
 * Reads and checks the file of a model, of so many bytes, where it lies: on a multiple of 4, of 16 where
 * it can be. The file stays in use, and must stay as it is.
 */
lstm_status lstm_model_init(union lstm_model *model,
                            const void *file,
                            size_t bytes,
                            union lstm_error *error);

/**
 * As `lstm_model_init`, for a region of flash with the file at its start, whatever follows it there.
 */
lstm_status lstm_model_init_region(union lstm_model *model,
                                   const void *region,
                                   size_t bytes,
                                   union lstm_error *error);

/**
 * Tells what a model says of itself.
 */
lstm_status lstm_model_describe(const union lstm_model *model, struct lstm_model_info *info);

/**
 * The token of a character, by its number in Unicode: `'a'`. Token 0 if the alphabet lacks it.
 */
lstm_status lstm_model_encode(const union lstm_model *model, uint32_t character, uint8_t *token);

/**
 * Writes the character of a token in UTF-8 and a zero byte into `text`, which has room for `capacity`
 * bytes: `LSTM_CHARACTER_BYTES` are enough for each.
 */
lstm_status lstm_model_decode(const union lstm_model *model,
                              uint8_t token,
                              char *text,
                              size_t capacity);

/**
 * Writes the name of a channel and a zero byte into `text`, which has room for `capacity` bytes. It may be empty.
 */
lstm_status lstm_model_channel_name(const union lstm_model *model,
                                    size_t channel,
                                    char *text,
                                    size_t capacity,
                                    union lstm_error *error);

/**
 * Writes the name of a class or value and a zero byte into `text`, which has room for `capacity` bytes. That of a
 * value may be empty.
 */
lstm_status lstm_model_output_name(const union lstm_model *model,
                                   size_t output,
                                   char *text,
                                   size_t capacity,
                                   union lstm_error *error);

/**
 * A generator of a model at the zero state, which samples at temperature 1 over all symbols with the
 * random numbers of a seed. Its state lies in `workspace`, of so many words, which stays in use:
 * `lstm_model_describe` tells how many the model needs. `model` is copied, and may go.
 */
lstm_status lstm_generator_init(union lstm_generator *generator,
                                const union lstm_model *model,
                                uint32_t *workspace,
                                size_t words,
                                uint64_t seed,
                                union lstm_error *error);

/**
 * Changes how it samples from the next token on, as `lstm_sampler_set`.
 */
lstm_status lstm_generator_set(union lstm_generator *generator,
                               float temperature,
                               size_t top_k,
                               float top_p,
                               union lstm_error *error);

/**
 * Reads a token.
 */
lstm_status lstm_generator_prime(union lstm_generator *generator, uint8_t token);

/**
 * Reads a text in UTF-8, of so many bytes. Where it is refused, nothing of it is read.
 */
lstm_status lstm_generator_read(union lstm_generator *generator,
                                const char *text,
                                size_t bytes,
                                union lstm_error *error);

/**
 * Writes the next token.
 */
lstm_status lstm_generator_next(union lstm_generator *generator, uint8_t *token);

/**
 * Back to the zero state, with the same settings and the random numbers of a seed from their start.
 */
lstm_status lstm_generator_reset(union lstm_generator *generator, uint64_t seed);

/**
 * The bytes of a snapshot.
 */
lstm_status lstm_generator_snapshot_bytes(const union lstm_generator *generator, size_t *bytes);

/**
 * Writes all that the coming text depends on into `snapshot`, which has as many bytes as
 * `lstm_generator_snapshot_bytes` tells. They mean the same on every chip.
 */
lstm_status lstm_generator_save(const union lstm_generator *generator,
                                void *snapshot,
                                size_t bytes,
                                union lstm_error *error);

/**
 * Takes back what `lstm_generator_save` wrote, here or on another chip: the text goes on to the same
 * letter. Where it is refused, nothing changes.
 */
lstm_status lstm_generator_restore(union lstm_generator *generator,
                                   const void *snapshot,
                                   size_t bytes,
                                   union lstm_error *error);

/**
 * A session of a model at the zero state. Its state lies in `workspace`, of so many words, which stays
 * in use: `lstm_model_describe` tells how many the model needs. `model` is copied, and may go.
 */
lstm_status lstm_session_init(union lstm_session *session,
                              const union lstm_model *model,
                              uint32_t *workspace,
                              size_t words,
                              union lstm_error *error);

/**
 * Reads a token. `logits`, if it is not null, is then where the logits of the next one lie, a number in
 * Q12 (of which 4096 is 1) for each symbol, class or value that the model gives, until the next step.
 */
lstm_status lstm_session_step(union lstm_session *session,
                              uint8_t token,
                              const int32_t **logits);

/**
 * Reads a token, and draws the next one.
 */
lstm_status lstm_session_sample(union lstm_session *session,
                                union lstm_sampler *sampler,
                                uint8_t token,
                                uint8_t *next);

/**
 * Back to the zero state.
 */
lstm_status lstm_session_reset(union lstm_session *session);

/**
 * The bytes of a saved state.
 */
lstm_status lstm_session_state_bytes(const union lstm_session *session, size_t *bytes);

/**
 * Writes the state into `state`, which has as many bytes as `lstm_session_state_bytes` tells. They mean
 * the same on every chip.
 */
lstm_status lstm_session_save(const union lstm_session *session,
                              void *state,
                              size_t bytes,
                              union lstm_error *error);

/**
 * Takes back a state that `lstm_session_save` wrote, here or on another chip. Where it is refused,
 * nothing changes.
 */
lstm_status lstm_session_restore(union lstm_session *session,
                                 const void *state,
                                 size_t bytes,
                                 union lstm_error *error);

/**
 * A sampler at temperature 1 over all symbols, with the random numbers of a seed.
 */
lstm_status lstm_sampler_init(union lstm_sampler *sampler, uint64_t seed);

/**
 * Changes the settings, and leaves the random numbers as they are: temperature 0, which always takes
 * the likeliest, or 0.01 to 100; `top_k` 1 to 256, 256 for all; `top_p` above 0, to 1 for all. Where one is refused,
 * nothing changes.
 */
lstm_status lstm_sampler_set(union lstm_sampler *sampler,
                             float temperature,
                             size_t top_k,
                             float top_p,
                             union lstm_error *error);

/**
 * A model that reads values, at the zero state, with an empty window if the model was trained on windows. State and
 * window lie in `workspace`, of so many words, which stays in use: `lstm_model_describe` tells how many the model
 * needs. `model` is copied, and may go. A window is run once it is full, and then every so many steps as it is long.
 */
lstm_status lstm_sensor_init(union lstm_sensor *sensor,
                             const union lstm_model *model,
                             uint32_t *workspace,
                             size_t words,
                             union lstm_error *error);

/**
 * Changes after how many steps a window is run again, after the next run. For a model that carries its state, which
 * answers each step, it changes nothing.
 */
lstm_status lstm_sensor_set_stride(union lstm_sensor *sensor,
                                   size_t stride,
                                   union lstm_error *error);

/**
 * Reads the values of one step, in the user's units: as many as the model has channels. `is_answered` then tells
 * whether the model has answered it: always, but in a window that is not to be run yet. What is no number counts as
 * the mean of its channel in the integer formats.
 */
lstm_status lstm_sensor_step(union lstm_sensor *sensor,
                             const float *values,
                             size_t count,
                             bool *is_answered,
                             union lstm_error *error);

/**
 * The class of the last answer: the likeliest, the first of equals.
 */
lstm_status lstm_sensor_class(union lstm_sensor *sensor,
                              size_t *class_index,
                              union lstm_error *error);

/**
 * The probability of a class in the last answer, 0 to 1.
 */
lstm_status lstm_sensor_probability(union lstm_sensor *sensor,
                                    size_t class_index,
                                    float *probability,
                                    union lstm_error *error);

/**
 * The probability of a class in the last answer, in 1/32768: computed in integers, and equal on every chip.
 */
lstm_status lstm_sensor_probability_q15(union lstm_sensor *sensor,
                                        size_t class_index,
                                        uint16_t *probability,
                                        union lstm_error *error);

/**
 * A value of the last answer, in the user's units; the logit of a class.
 */
lstm_status lstm_sensor_value(union lstm_sensor *sensor,
                              size_t index,
                              float *value,
                              union lstm_error *error);

/**
 * Back to the zero state and an empty window, without an answer.
 */
lstm_status lstm_sensor_reset(union lstm_sensor *sensor);

/**
 * The bytes of a saved state.
 */
lstm_status lstm_sensor_state_bytes(const union lstm_sensor *sensor, size_t *bytes);

/**
 * Writes the state into `state`, which has as many bytes as `lstm_sensor_state_bytes` tells: all that the coming answers
 * depend on, as the command `:save` of the firmware has it. They mean the same on every chip.
 */
lstm_status lstm_sensor_save(const union lstm_sensor *sensor,
                             void *state,
                             size_t bytes,
                             union lstm_error *error);

/**
 * Takes back a state that `lstm_sensor_save` wrote with this model, here or on another chip. There is no answer until
 * the next step that is answered. Where it is refused, nothing changes.
 */
lstm_status lstm_sensor_restore(union lstm_sensor *sensor,
                                const void *state,
                                size_t bytes,
                                union lstm_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LSTM_H */
