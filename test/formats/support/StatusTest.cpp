//===- StatusTest.cpp - errors as values ----------------------------------===//
#include "formats/support/Status.h"

#include <gtest/gtest.h>

#include <memory>

using namespace air;

namespace {

Result<int> half(int value) {
  if (value % 2 != 0) {
    return corruptError("odd");
  }
  return value / 2;
}

Result<int> quarter(int value) {
  AIR_ASSIGN_OR_RETURN(int once, half(value));
  AIR_ASSIGN_OR_RETURN(once, half(once));
  return once;
}

Status checkQuarter(int value) {
  AIR_RETURN_IF_ERROR(quarter(value).status().withContext("quarter"));
  return Status::ok();
}

TEST(Status, CodesAreTheDocumentedExitCodes) {
  EXPECT_EQ(Status::ok().exitCode(), 0);
  EXPECT_EQ(internalError("x").exitCode(), 1);
  EXPECT_EQ(usageError("x").exitCode(), 2);
  EXPECT_EQ(corruptError("x").exitCode(), 3);
  EXPECT_EQ(unsupportedError("x").exitCode(), 4);
  EXPECT_EQ(doesNotFitError("x").exitCode(), 5);
  EXPECT_EQ(verificationError("x").exitCode(), 6);
  EXPECT_EQ(mismatchError("x").exitCode(), 7);
  EXPECT_EQ(ioError("x").exitCode(), 8);
}

TEST(Status, FailuresTravelWithContext) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_FALSE(quarter(6).isOk());
  EXPECT_TRUE(checkQuarter(8).isOk());
  Status status = checkQuarter(6);
  EXPECT_EQ(status.code(), ErrorCode::Corrupt);
  EXPECT_EQ(status.message(), "quarter: odd");
  EXPECT_TRUE(Status::ok().withContext("nowhere").message().empty());
}

TEST(Result, HoldsWhatCanOnlyMove) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  ASSERT_TRUE(result.isOk());
  std::unique_ptr<int> owned = *std::move(result);
  EXPECT_EQ(*owned, 5);
}

} // namespace
