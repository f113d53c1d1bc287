/*===- FakeShape.h - sizes that fake kernels and their plan share ---------===*/
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H

/** The number of floats in a row of the residual stream. */
#define FAKE_WIDTH 16
/** The tokens are <unk>, <s>, </s>, the 256 bytes, and the space. */
#define FAKE_VOCABULARY 260
/** A page holds K and V of 64 positions in float32, for one layer with one head
 *  of one element. */
#define FAKE_PAGE_BYTES 512

#endif /* AIRPACK_TEST_RUNTIME_FAKE_FAKESHAPE_H */
