//===- RuntimeTest.cpp - sessions that share threads and a GPU ------------===//
#include "runtime/exec/Runtime.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/fake/LateGpu.h"

#include <cstdio>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

/// A GPU whose devices are fake.
class FakeSharedGpu final : public Gpu {
public:
  FakeSharedGpu(std::vector<uint64_t> &limits, uint32_t &closed)
      : limits(limits), closed(closed) {}
  ~FakeSharedGpu() override { ++closed; }
  Result<std::unique_ptr<Device>>
  newDevice(uint64_t memoryLimit) const override {
    limits.push_back(memoryLimit);
    return std::unique_ptr<Device>(std::make_unique<LateGpu>(fakeGpuKernels()));
  }

private:
  std::vector<uint64_t> &limits; ///< of all devices that were made
  uint32_t &closed;
};

class RuntimeTest : public testing::Test {
protected:
  void SetUp() override { path = temporaryPath("plan.air"); }
  void TearDown() override { std::remove(path.c_str()); }

  Session open(const std::shared_ptr<Runtime> &runtime, uint32_t threads = 0) {
    SessionOptions options;
    options.runtime = runtime;
    options.threads = threads;
    Result<Session> session = Session::open(path, options);
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }

  FakeModel model;
  std::string path;
};

TEST_F(RuntimeTest, SessionsShareThreads) {
  writeFakePlan(path, model);
  const auto runtime = std::make_shared<Runtime>();
  Session one = open(runtime, 3);
  Session two = open(runtime, 3);
  const Session other = open(runtime, 2);
  EXPECT_EQ(one.threadPool(), two.threadPool());
  EXPECT_NE(one.threadPool(), other.threadPool());
  EXPECT_EQ(other.threads(), 2U);
  std::weak_ptr<ThreadPool> pool;
  {
    const Session third = open(runtime, 1);
    pool = third.threadPool();
    EXPECT_FALSE(pool.expired());
  }
  EXPECT_TRUE(pool.expired());
  EXPECT_EQ(open(runtime, 1).threads(), 1U);
  const Session alone = open(nullptr, 3);
  EXPECT_NE(alone.threadPool(), one.threadPool());
}

// Each of two callers opens and uses four sessions, one after another. When
// both callers have a session, their passes take turns on the threads of one
// pool. Once a session has ended, these threads must not use its memory any
// more.
TEST_F(RuntimeTest, ThreadsServeSessionsOfSeveralThreads) {
  writeFakePlan(path, model);
  const auto runtime = std::make_shared<Runtime>();
  std::vector<std::thread> users;
  for (uint32_t user = 0; user < 2; ++user) {
    users.emplace_back([&, user] {
      for (uint32_t round = 0; round < 4; ++round) {
        Session session = open(runtime, 3);
        checkAllLogits(session, model, someTokens(60, 10 * user + round), 7);
      }
    });
  }
  for (std::thread &user : users) {
    user.join();
  }
}

TEST_F(RuntimeTest, ASessionKeepsItsRuntimeAlive) {
  writeFakePlan(path, model);
  auto runtime = std::make_shared<Runtime>();
  Session session = open(runtime, 2);
  runtime.reset();
  checkAllLogits(session, model, someTokens(20), 4);
}

// Sessions whose plans name the same GPU share it. The plan of the third
// session names another GPU.
TEST_F(RuntimeTest, AGpuIsOpenedOnce) {
  uint32_t opened = 0;
  uint32_t closed = 0;
  std::vector<uint64_t> limits;
  const auto runtime = std::make_shared<Runtime>(
      [&](const plan::Device &) -> Result<std::unique_ptr<Gpu>> {
        ++opened;
        return std::unique_ptr<Gpu>(
            std::make_unique<FakeSharedGpu>(limits, closed));
      });
  uint64_t memory = 0;
  writeFakeGpuPlan(path, model, [&](plan::PlanT &plan) {
    memory = plan.machine->devices.back()->memory_bytes;
  });
  std::optional<Session> one = open(runtime);
  {
    Session two = open(runtime);
    checkMixedSequences(two, model);
  }
  checkMixedSequences(*one, model);
  EXPECT_EQ(opened, 1U);
  EXPECT_EQ(closed, 0U);
  EXPECT_EQ(limits, (std::vector<uint64_t>{memory, memory}));
  writeFakeGpuPlan(path, model, [&](plan::PlanT &plan) {
    plan.machine->devices.back()->name = "another";
  });
  const Session three = open(runtime);
  EXPECT_EQ(opened, 2U);
  EXPECT_EQ(closed, 0U);
  one.reset();
  EXPECT_EQ(closed, 1U);
}

TEST_F(RuntimeTest, WithoutAnOpenerThereAreNoGpus) {
  writeFakeGpuPlan(path, model);
  SessionOptions options;
  options.runtime = std::make_shared<Runtime>();
  const Status status = Session::open(path, options).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_NE(status.message().find("runs only CPU kernels"), std::string::npos)
      << status.message();
  uint32_t made = 0;
  options.gpu = [&](const plan::Device &) -> Result<std::unique_ptr<Device>> {
    ++made;
    return std::unique_ptr<Device>(std::make_unique<LateGpu>(fakeGpuKernels()));
  };
  Result<Session> session = Session::open(path, options);
  ASSERT_TRUE(session) << session.status().message();
  checkMixedSequences(*session, model);
  EXPECT_EQ(made, 1U);
}

} // namespace
