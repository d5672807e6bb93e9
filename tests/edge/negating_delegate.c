/* An external delegate of TensorFlow Lite for the tests: it takes the ops of the number that its option builtin_code
   names, and gives for each the negative of its input, which is right for NEG (59) on floats. It writes its options into
   the file that the option log names, and refuses to be made where there is an option refuse.

   There is no package with the headers of the interface; what stands here is as much of its layout as this needs. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int size; int data[]; } Ints;
typedef struct { int type; float* data; Ints* dims; float scale; int32_t zero_point; int allocation; size_t bytes; } Tensor;
typedef struct { Ints* inputs; Ints* outputs; } Node;
typedef struct Context Context;
typedef struct Delegate Delegate;
typedef struct {
  void* (*init)(Context*, const char*, size_t);
  void (*free)(Context*, void*);
  int (*prepare)(Context*, Node*);
  int (*invoke)(Context*, Node*);
  void* profiling_string;
  int32_t builtin_code;
  const char* custom_name;
  int version;
  void* external;
  void* async_kernel;
  uint64_t inplace;
} Kernel;
struct Context {
  size_t tensor_count;
  int (*get_execution_plan)(Context*, Ints**);
  char* tensors;
  void* unused[4];
  int (*get_node)(Context*, int, Node**, Kernel**);
  int (*replace)(Context*, Kernel, const Ints*, Delegate*);
};
struct Delegate {
  int builtin_code;
  int (*prepare)(Context*, Delegate*);
  void* unused[3];
  int64_t flags;
  void* builder;
};

enum { TENSOR_BYTES = 112 };

static Tensor* tensor(Context* context, int index) {
  return (Tensor*)(context->tensors + TENSOR_BYTES * (size_t)index);
}

static int invoke(Context* context, Node* node) {
  Tensor* in = tensor(context, node->inputs->data[0]);
  Tensor* out = tensor(context, node->outputs->data[0]);
  for (size_t i = 0; i < out->bytes / sizeof(float); ++i) out->data[i] = -in->data[i];
  return 0;
}

static int prepare(Context* context, Delegate* delegate) {
  Ints* plan;
  if (context->get_execution_plan(context, &plan)) return 1;
  Ints* taken = malloc(sizeof(int) * (1 + (size_t)plan->size));
  taken->size = 0;
  for (int i = 0; i < plan->size; ++i) {
    Node* node;
    Kernel* kernel;
    if (context->get_node(context, plan->data[i], &node, &kernel)) return 1;
    if (kernel->builtin_code == delegate->builtin_code) taken->data[taken->size++] = plan->data[i];
  }
  Kernel ours = {.invoke = invoke, .custom_name = "Negatives", .version = 1};
  int status = taken->size ? context->replace(context, ours, taken, delegate) : 0;
  free(taken);
  return status;
}

Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count, void (*report)(const char*)) {
  Delegate* delegate = calloc(1, sizeof(Delegate));
  const char* log = NULL;
  for (size_t i = 0; i < count; ++i) {
    if (!strcmp(keys[i], "builtin_code")) delegate->builtin_code = atoi(values[i]);
    if (!strcmp(keys[i], "log")) log = values[i];
    if (!strcmp(keys[i], "refuse")) {
      report(values[i]);
      free(delegate);
      return NULL;
    }
  }
  FILE* file = log ? fopen(log, "a") : NULL;
  for (size_t i = 0; file && i < count; ++i) fprintf(file, "%s=%s\n", keys[i], values[i]);
  if (file) fclose(file);
  delegate->prepare = prepare;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate* delegate) { free(delegate); }
