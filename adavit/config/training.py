"""The section `training` of a run's configuration: length, optimisation, losses and what is added to them."""

from typing import Literal

from pydantic import Field

from adavit.config.section import MOST, ConfigModel, UserPath, UserSource, auto, rule
from adavit.features.names import check_network_name, parted
from adavit.models.groups import group_size, images_of_part
from adavit.models.limits import LARGEST_WIDTH
from adavit.models.published_vit import PUBLISHED_VIT, check_name, is_of_library

LOSSES_WITHOUT_THRESHOLD = ("relativistic", "wasserstein")
"""Losses that see only differences of logits: a shift of all of them changes nothing, so their sign means nothing."""


WITHOUT_SAN = {
    "relativistic": "which judges pairs, while SAN's direction is derived for losses of single images",
    "wasserstein": "by which the last layer learns to part the means already, so SAN has nothing to add",
}
"""Losses that do not go with SAN, and why."""


class TrainingConfig(ConfigModel):
    """Length, optimisation and regularisation."""

    total_kimg: float = auto(gt=0, le=1e9)
    """Thousands of real images from the run's start. auto: 5000, on a CPU 80, for vit 50."""
    batch: int = auto(ge=1, le=MOST)
    """Real images per step. auto: 64 (32 from 128 px on), on a CPU 16."""
    microbatch: int | None = Field(None, ge=1, le=MOST)
    """Images at a time, with random numbers of their own; gradients are accumulated, and several processes share them.
    None: the whole batch, or each process its share."""
    precision: Literal["float32", "bf16"] = auto()
    """Numbers that the networks calculate with. auto: bf16 on CUDA, where
    the device does not only emulate it, and on Linux on CPUs with AMX or AVX-512 BF16; float32 elsewhere."""
    compile: bool = auto()
    """Compile the passes of a step, penalties included; equal but for rounding. The first steps take minutes, and need
    a C++ compiler. auto: on for runs of more than about an hour on a CPU that gain by it: with run.budget both are
    measured, and steps must be 1.15 times as fast; without it a vit gains, and in bf16 a resnet, but those in
    slices are left as they are. Off elsewhere, and in cells of an ablation."""
    graphs: bool = Field(True)
    """On CUDA: launch the passes of a step at once, as a CUDA graph, instead of kernel by kernel; the same numbers. Not
    done where passes change from step to step (top_k, augment.extra), nor when compiled."""
    deterministic: bool = Field(False)
    """On CUDA: the same bits each time, as on a CPU. Slower: every sum is taken in a fixed order."""
    fast_reduce: bool = auto()
    """Whether several processes sum gradients in whatever order is fastest: equal to 1e-6 only. auto: on CUDA, unless
    deterministic."""
    transfer: UserPath | None = Field(None)
    """Run directory, checkpoint, generator file, or network pickle of StyleGAN2 (FILE.pkl, which is not run), whose
    generator, discriminator and average this run starts from. Of a file sizes and resolution are chosen too, where
    they are left open."""
    init_discriminator: UserSource | None = Field(None)
    """What a vit discriminator starts from: a file of `adavit pretrain`, or torchvision:vit_b_16 (its download) or
    torchvision:vit_b_16:FILE, weights of ImageNet. Figures in related features flatter those."""
    freeze_d: int = Field(0, ge=0, le=MOST)
    """Lowest layers of the discriminator that are not trained: 1 is the stem, then block by block
    (FreezeD, arXiv:2002.10964)."""
    generator_lr: float = auto(gt=0)
    """Adam's step of the generator. auto: 0.0025; on a CPU 0.01, for vit 0.006."""
    discriminator_lr: float = auto(gt=0)
    """Adam's step of the discriminator. auto: 0.0025, for vit 0.0002 * 384 / width, for r3gan
    0.0002; on a CPU 0.005, for vit 0.0015, for r3gan 0.002. From torchvision's weights 0.0001, so that
    they are not forgotten."""
    adam_beta1: float = Field(0.0, ge=0, lt=1)
    """Decay of Adam's first moment."""
    adam_beta2: float = Field(0.99, ge=0, lt=1)
    """Decay of Adam's second moment."""
    warmup_kimg: float = auto(ge=0)
    """Thousands of images over which both steps rise from 0. auto: 0, for vit 2, at most a tenth of total_kimg."""
    schedule_kimg: float = auto(gt=0)
    """Thousands of images over which the values below move, along half a cosine. auto: total_kimg."""
    final_lr_factor: float = Field(1.0, gt=0)
    """Factor on both steps at the end of the schedule; 0.25 in R3GAN."""
    final_gamma_factor: float = Field(1.0, ge=0)
    """Factor on r1_gamma and r2_gamma at the end of the schedule; 0.1 in R3GAN."""
    final_beta2: float | None = Field(None, ge=0, lt=1)
    """adam_beta2 at the end of the schedule; 0.99 from 0.9 in R3GAN. None: it stays."""
    loss: Literal["non_saturating", "hinge", "relativistic", "wasserstein"] = auto()
    """What the networks play for; see `adavit.training.objectives.losses`. auto: non_saturating, for projected
    hinge."""
    san: bool = auto()
    """SAN's last layer (arXiv:2301.12811), in the discriminator and in every head of features.network: its direction
    has norm 1 and learns to part the means of real and generated images, all else plays for the loss. auto: off, for
    projected on where the loss goes with it."""
    penalty: Literal["exact", "approximate"] = Field("exact")
    """How R1 and R2 take the gradient: by second derivatives, or by finite differences along noise, which
    needs less memory and a pass or two more."""
    penalty_sigma: float = auto(gt=0)
    """Standard deviation of that noise in pixel values. auto: 0.01 in float32; 0.1 in bf16 and on
    CUDA, which round."""
    r1_gamma: float = auto(ge=0)
    """Weight of R1. auto: 0.0002 * resolution^2 / batch, for vit 0.05 * (resolution / 32)^2; on a CPU
    1 * (resolution / 32)^2, for vit half of that; 0 with gradient_penalty and for projected."""
    r1_interval: int = auto(ge=1, le=MOST)
    """Steps between R1 penalties, each weighted by the interval. auto: 16; for vit 1, on a CPU
    4."""
    r2_gamma: float = auto(ge=0)
    """Weight of R2, R1 at generated images. auto: 0; as r1_gamma for the loss relativistic, whose
    convergence needs both (arXiv:2501.05441, section 2)."""
    r2_interval: int = auto(ge=1, le=MOST)
    """Steps between R2 penalties. auto: r1_interval."""
    gradient_penalty: float = Field(0.0, ge=0)
    """Weight of WGAN-GP's penalty; 10 in the paper (arXiv:1704.00028). 0: off."""
    drift: float = Field(0.0, ge=0)
    """Weight of D(x)^2, which keeps a Wasserstein critic near 0; 0.001 in arXiv:1710.10196. 0: off."""
    path_length: float = Field(0.0, ge=0)
    """Weight of the path-length penalty; 2 in arXiv:1912.04958. 0: off."""
    path_length_interval: int = Field(4, ge=1, le=MOST)
    """Steps between path-length penalties, each weighted by the interval; as in the paper."""
    path_length_decay: float = Field(0.01, gt=0, le=1)
    """Part by which the average length moves at each penalty; as in the paper."""
    style_mixing: float = Field(0.0, ge=0, le=1)
    """Part of the generated images that mix styles; 0.9 in arXiv:1812.04948. 0: off."""
    bcr_real: float = Field(0.0, ge=0)
    """Weight of balanced consistency on real images; 10 in arXiv:2002.04724. 0: off."""
    bcr_generated: float = Field(0.0, ge=0)
    """The same on generated images."""
    zcr_discriminator: float = Field(0.0, ge=0)
    """Weight of latent consistency in the discriminator (arXiv:2002.04724); 0.2 goes with StyleGAN2.
    0: off."""
    zcr_generator: float = Field(0.0, ge=0)
    """Weight of its counterpart, the diversity of nearby latents, in the generator; 0.02 as above."""
    zcr_noise: float = Field(0.1, gt=0)
    """Standard deviation of the noise on latents; 0.1 as above."""
    lecam: float = Field(0.0, ge=0)
    """Weight of LeCam regularisation (arXiv:2104.03310); 0.3 with hinge, 3e-7 to 1e-6 with
    non_saturating. 0: off."""
    lecam_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of its moving averages of the logits; as with StyleGAN2 in its code."""
    apa_p_max: float = Field(0.0, ge=0, lt=1)
    """Largest part of the real images that generated ones stand in for (APA, arXiv:2111.06849), below 1, where none
    would be left to see overfitting by. 0: off."""
    apa_target: float = Field(0.6, ge=-1, le=1)
    """Value of its heuristic to hold; as in the paper."""
    apa_speed_kimg: float = Field(500.0, gt=0)
    """Thousands of real images for its probability to move from 0 to 1; as in the paper."""
    chain_weight: float = Field(20.0, ge=0)
    """With discriminator.normalization chain: weight of the mean features' squares, times p + chain_p0; as in its
    paper."""
    chain_p0: float = Field(0.0, ge=0)
    """Added to p there, so that it acts from the start; 0.1 in its paper's runs on up to 100 images. With a CPU's
    settings the discriminator then learnt nothing in the first 5 kimg: lower chain_weight with it."""
    chain_target: float = Field(0.5, ge=-1, le=1)
    """Mean sign of D at real images that chain's p holds; as in its paper."""
    chain_start_kimg: float = auto(ge=0)
    """Thousands of images before chain's p moves. auto: 5000 steps, at most a tenth of total_kimg."""
    chain_speed_kimg: float = auto(gt=0)
    """Thousands of images for chain's p to move from 0 to 1. auto: 1000 steps."""
    top_k: float = Field(0.0, ge=0, le=1)
    """Part of the batch that the generator learns from in the end, of a critic on features from all of it; 0.5 in
    arXiv:2002.06224. 0: off."""
    masked_patch_weight: float = Field(0.0, ge=0)
    """Weight at the start of predicting corrupted patches of real images, as `adavit pretrain` does, for a
    vit; it falls to 0 over schedule_kimg, so that in the end the trunk only judges. 0.1 to 0.5. 0: off."""
    distill_weight: float = Field(0.0, ge=0)
    """Weight of predicting a frozen network's tokens of the same augmented real images from those of a vit,
    by perceptrons beside it (GAT, arXiv:2509.24935); 1 in its code. 0: off."""
    distill_network: UserSource = Field(PUBLISHED_VIT)
    """That network: torchvision:vit_b_16, or timm:NAME of a transformer (DINOv2 and its kin; needs adavit[timm]), whose
    published weights are downloaded, or with :FILE behind it. Figures in related features flatter what it teaches."""
    distill_width: int = Field(2048, ge=1, le=LARGEST_WIDTH)
    """Width of these perceptrons, of three layers each; as in its code."""
    ema_half_life_kimg: float = auto(ge=0)
    """Half-life of the generator average. auto: 10 * batch / 32."""
    initial_ema_factor: float = Field(1.0, ge=0, le=1)
    """Factor on it at the start, which rises to 1 over schedule_kimg; 0 in R3GAN."""
    ema_ramp: float | None = auto(gt=0)
    """The half-life is at most this part of the images seen. None: no ramp. auto: 0.05, none with
    transfer."""

    @property
    def images_at_a_time(self) -> int:
        """Images of a microbatch, which is the whole batch where none is asked for."""
        return self.microbatch or self.batch

    @property
    def has_threshold(self) -> bool:
        """Whether the sign of a logit means something under the loss."""
        return self.loss not in LOSSES_WITHOUT_THRESHOLD

    @rule("deterministic", "fast_reduce")
    def _fixed_orders_are_not_the_fastest(self) -> None:
        if self.deterministic and self.fast_reduce:
            raise ValueError(
                "training.fast_reduce is on, but training.deterministic has every sum in a fixed order. Leave one of"
                " the two out."
            )

    @rule("batch", "microbatch")
    def _microbatch_divides_batch(self) -> None:
        if self.microbatch is not None and self.batch % self.microbatch:
            below = self.batch - self.batch % self.microbatch
            advice = (
                f"Use batch {below or self.microbatch}, or a microbatch that divides {self.batch}."
            )
            raise ValueError(
                f"training.batch is {self.batch}, but must be a multiple of training.microbatch"
                f" ({self.microbatch}). {advice}"
            )

    def check_group(self, key: str, group: int) -> None:
        """Refuses images over which a standard deviation is taken, if a microbatch does not consist of such groups.

        Args:
            key: Where they were given.
            group: How many, 0 for none.

        Raises:
            ValueError: If that is so.
        """
        images = self.images_at_a_time
        if group and images % group:
            name = "microbatch" if self.microbatch else "batch"
            raise ValueError(
                f"{key} is {group}, but must divide training.{name} ({images}), the images that are"
                f" computed at a time. Use {group_size(images, group)}, or a training.{name} that"
                f" {group} divides."
            )

    @rule("transfer", "init_discriminator")
    def _one_start(self) -> None:
        if self.transfer is not None and self.init_discriminator is not None:
            raise ValueError(
                "training.transfer and training.init_discriminator are both given, expected one of"
                " them: either holds a discriminator to start from. Leave one out."
            )

    @rule("init_discriminator", "distill_network")
    def _networks_of_torchvision_are_transformers(self) -> None:
        if self.init_discriminator is not None and is_of_library(self.init_discriminator):
            check_name("training.init_discriminator", self.init_discriminator)
        key, teacher = "training.distill_network", self.distill_network
        if parted(teacher).library == "timm":
            otherwise, networks = (
                "leave training.distill_weight out",
                [parted(PUBLISHED_VIT).network],
            )
            check_network_name(key, teacher, otherwise=otherwise, networks=networks)
        else:
            check_name(key, teacher, or_else=", or timm:NAME or timm:NAME:FILE")

    @rule("top_k", "compile")
    def _compiled_code_keeps_its_shapes(self) -> None:
        if self.top_k and self.compile:
            raise ValueError(
                f"training.top_k is {self.top_k:g}, by which fewer images count with each epoch, but training.compile"
                " is on, and would compile for minutes each time. Leave one of the two out."
            )

    @rule("top_k", "batch", "microbatch")
    def _top_k_leaves_images_out(self) -> None:
        images = self.images_at_a_time
        if 0 < self.top_k < 1 and images_of_part(self.top_k, images) == images:
            raise ValueError(
                f"training.top_k is {self.top_k:g}, but of {images} computed at a time that leaves none out. Use a"
                " lower one, a larger training.microbatch, or leave it out."
            )

    @rule("lecam", "loss")
    def _lecam_needs_a_level(self) -> None:
        if self.lecam and not self.has_threshold:
            raise ValueError(
                f"training.lecam is {self.lecam:g}, but training.loss is {self.loss}, which leaves"
                " the level of the logits free, and LeCam holds on to it. Use non_saturating or"
                " hinge, or leave training.lecam out."
            )

    @rule("san", "loss")
    def _san_needs_a_loss_of_single_images(self) -> None:
        reason = WITHOUT_SAN.get(self.loss)
        if self.san and reason is not None:
            raise ValueError(
                f"training.san is on, but training.loss is {self.loss}, {reason}. Use non_saturating or"
                " hinge, or set training.san to false."
            )
