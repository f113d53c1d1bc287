/*===- FakeShape.h - sizes that fake kernels and their plan share ---------===*/
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H

/** Floats of a residual row. */
#define FAKE_WIDTH 16
/** <unk>, <s>, </s>, 256 bytes, a token for the space. */
#define FAKE_VOCABULARY 260
/** One layer, one head of one float, 64 positions; K and V in float32. */
#define FAKE_PAGE_BYTES 512

#endif /* AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H */
