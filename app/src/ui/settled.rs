//! A view whose exact type ends here and that is hydrated in one go.
//!
//! Leptos keeps for every type-erased view a second, asynchronous way to hydrate it, meant for code that is loaded late.
//! Lifeboat loads everything at once, so that way is never taken; leaving it out makes the download a sixth smaller. Use
//! `.settled()` where `.into_any()` would be used.

use leptos::{
    attr::{Attribute, any_attribute::AnyAttribute},
    prelude::*,
    tachys::{
        hydration::Cursor,
        ssr::StreamBuilder,
        view::{Position, PositionState},
    },
};

/// Erases the type of a view, as `.into_any()` does.
pub trait IntoSettled {
    fn settled(self) -> AnyView;
}

impl<T: RenderHtml + Send + 'static> IntoSettled for T {
    fn settled(self) -> AnyView {
        Settled(self).into_any()
    }
}

struct Settled<T>(T);

impl<T: Render> Render for Settled<T> {
    type State = T::State;

    fn build(self) -> Self::State {
        self.0.build()
    }
    fn rebuild(self, state: &mut Self::State) {
        self.0.rebuild(state);
    }
}

impl<T: AddAnyAttr> AddAnyAttr for Settled<T> {
    type Output<SomeNewAttr: Attribute> = Settled<T::Output<SomeNewAttr>>;

    fn add_any_attr<NewAttr: Attribute>(self, attr: NewAttr) -> Self::Output<NewAttr>
    where
        Self::Output<NewAttr>: RenderHtml,
    {
        Settled(self.0.add_any_attr(attr))
    }
}

/// Everything is passed on but `hydrate_async`, which is left at its default: hydrate at once.
impl<T: RenderHtml> RenderHtml for Settled<T> {
    type AsyncOutput = T::AsyncOutput;
    type Owned = Settled<T::Owned>;

    const MIN_LENGTH: usize = T::MIN_LENGTH;
    const EXISTS: bool = T::EXISTS;

    async fn resolve(self) -> Self::AsyncOutput {
        self.0.resolve().await
    }
    fn dry_resolve(&mut self) {
        self.0.dry_resolve();
    }
    fn html_len(&self) -> usize {
        self.0.html_len()
    }
    fn to_html_with_buf(self, buf: &mut String, position: &mut Position, escape: bool, mark_branches: bool, extra_attrs: Vec<AnyAttribute>) {
        self.0.to_html_with_buf(buf, position, escape, mark_branches, extra_attrs);
    }
    fn to_html_async_with_buf<const OUT_OF_ORDER: bool>(
        self,
        buf: &mut StreamBuilder,
        position: &mut Position,
        escape: bool,
        mark_branches: bool,
        extra_attrs: Vec<AnyAttribute>,
    ) {
        self.0.to_html_async_with_buf::<OUT_OF_ORDER>(buf, position, escape, mark_branches, extra_attrs);
    }
    fn hydrate<const FROM_SERVER: bool>(self, cursor: &Cursor, position: &PositionState) -> Self::State {
        self.0.hydrate::<FROM_SERVER>(cursor, position)
    }
    fn into_owned(self) -> Self::Owned {
        Settled(self.0.into_owned())
    }
}
